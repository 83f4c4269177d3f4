//! Has the linker use `riscv.ld`.

fn main() {
    let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    println!("cargo::rustc-link-arg-bins=-T{folder}/riscv.ld");
    println!("cargo::rerun-if-changed=riscv.ld");
}
