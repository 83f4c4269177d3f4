//! How long codecs take, ours and others'.

mod time;

fn main() {
    time::run("codec");
}
