//! How connections begin and end.

use super::fake::{Told, world};
use super::{App, CONFIG};

#[test]
fn a_day_in_the_life() {
    let app = App::connected(&CONFIG);
    assert_eq!(app.subscribe(c"a/#", 1), 1);
    assert_eq!(app.publish(c"b", b"hello", 0), 0);
    assert_eq!(app.publish(c"b", b"hello", 1), 2);
    assert_eq!(app.publish(c"b", b"hello", 2), 3);
    super::fake::settle();
    assert_eq!(
        world(|world| world.take_told()),
        [Told::Published(2), Told::Published(3)]
    );
    assert_eq!(app.unsubscribe(c"a/#"), 4);
    assert_eq!(app.disconnect(), 0);
    assert_eq!(world(|world| world.take_told()), [Told::Disconnected]);
}
