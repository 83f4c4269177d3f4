use std::time::{Duration, Instant};

use mqtt_client::blocking::Client;
use mqtt_client::net;
use testkit::machine::{PATIENCE, unique};

use super::{Course, Job, options};

pub(crate) fn run(job: &Job<'_>) -> Vec<usize> {
    let id = unique("blocking");
    let mut storage = job.storage();
    let mut client = Client::new(job.config(&id), storage.split());
    let stream = net::connect(&job.endpoint, &options(job.certificates)).unwrap();
    client.connect(stream).unwrap();
    let mut course = Course::new(job);
    let deadline = Instant::now() + job.patience;
    while !course.is_over() {
        if let Some((event, core)) = client.poll(Some(Duration::from_secs(1))).unwrap() {
            course.on(event, core);
        }
        course.publish(client.core());
        assert!(Instant::now() < deadline, "{}", course.progress());
    }
    client.disconnect(PATIENCE).unwrap();
    course.received
}
