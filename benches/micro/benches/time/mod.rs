//! Times of all operations of one table.

use std::time::{Duration, Instant};

use criterion::Criterion;
use micro::Operation;

/// There are hundreds of figures, and what counts is how they compare: a tenth of a second for each,
/// unless the command line has it otherwise.
pub(crate) fn run(table: &str) {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(20))
        .measurement_time(Duration::from_millis(80))
        .sample_size(10)
        .nresamples(1000)
        .configure_from_args();
    let benches = micro::benches();
    let mut benches = benches
        .iter()
        .filter(|bench| bench.table == table)
        .peekable();
    while let Some(first) = benches.peek() {
        let case = first.case.clone();
        let mut group = criterion.benchmark_group(format!("{table}/{case}"));
        while let Some(bench) = benches.next_if(|bench| bench.case == case) {
            let mut operation: Option<Operation> = None;
            group.bench_function(bench.client, |bencher| {
                let operation = operation.get_or_insert_with(|| bench.build());
                bencher.iter_custom(|messages| {
                    let runs = (messages as f64 / bench.per_run).ceil() as u64;
                    let start = Instant::now();
                    operation.run(runs);
                    // What is told is the time of a message.
                    start
                        .elapsed()
                        .mul_f64(messages as f64 / (runs as f64 * bench.per_run))
                });
            });
        }
        group.finish();
    }
    criterion.final_summary();
}
