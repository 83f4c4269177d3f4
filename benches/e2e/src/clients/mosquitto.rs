//! `libmosquitto`: with its own thread, and in a loop on the calling one.

#[cfg(has_mosquitto)]
#[path = "c.rs"]
mod c;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    #[cfg(has_mosquitto)]
    return c::main();
    #[cfg(not(has_mosquitto))]
    return Err("libmosquitto-dev was not there when this was built".into());
}
