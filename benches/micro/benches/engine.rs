//! How long engines without I/O take for a message, ours and others', and ours for 1,000 bytes of a
//! hostile server's.

mod time;

fn main() {
    time::run("engine");
    time::run("hostile");
}
