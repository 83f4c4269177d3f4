//! Paho's asynchronous client in C.

#[cfg(has_paho)]
#[path = "c.rs"]
mod c;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    #[cfg(has_paho)]
    return c::main();
    #[cfg(not(has_paho))]
    return Err("libpaho-mqtt-dev was not there when this was built".into());
}
