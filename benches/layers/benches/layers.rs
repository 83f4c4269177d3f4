//! WebSocket and TLS alone, against the libraries below them.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use layers::{Contender, SIZES, tls, ws};

fn layers(criterion: &mut Criterion) {
    for (len, size) in SIZES {
        let message: Vec<_> = (0..len).map(|at| (at % 251) as u8).collect();
        let message = &*message.leak();
        let mut contenders = ws::contenders(message, size);
        contenders.extend(tls::contenders(message, size));
        // Those that do the same come one after the other.
        contenders.sort_by(|a, b| a.case.cmp(&b.case));
        for case in contenders.chunk_by_mut(|a, b| a.case == b.case) {
            compare(criterion, len, case);
        }
    }
}

fn compare(criterion: &mut Criterion, len: usize, contenders: &mut [Contender]) {
    // A table for each layer.
    let (layer, act) = contenders[0]
        .case
        .rsplit_once(", ")
        .expect("a layer and what it does");
    let mut group = criterion.benchmark_group(format!("{layer}/{act}"));
    group.throughput(Throughput::Bytes(len as u64));
    for contender in contenders {
        group.bench_function(contender.client.clone(), |bencher| {
            bencher.iter_custom(|messages| contender.run(messages));
        });
    }
    group.finish();
}

criterion_group!(benches, layers);
criterion_main!(benches);
