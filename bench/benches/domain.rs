//! Micro-benchmarks of the pure rules.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use criterion::{Criterion, criterion_group, criterion_main};
use petwalker_kernel::{GeoPoint, UtcMillis};
use std::hint::black_box;
use tracking::domain::{TrackPoint, analyse};

fn routes(c: &mut Criterion) {
    let points: Vec<TrackPoint> = (0..1_000_u32)
        .map(|n| {
            let at = UtcMillis::new(1_780_000_000_000 + i64::from(n) * 5_000);
            TrackPoint::new(n + 1, at, (-23.55 + f64::from(n) * 6e-5, -46.63), 5.0, None).expect("in range")
        })
        .collect();
    c.bench_function("analyse a route of 1000 points", |b| b.iter(|| analyse(black_box(points.clone()))));
}

fn places(c: &mut Criterion) {
    let (a, b2) =
        (GeoPoint::new(-23.55, -46.63).expect("on Earth"), GeoPoint::new(-22.9, -43.2).expect("on Earth"));
    c.bench_function("distance", |b| b.iter(|| black_box(a).distance_m(black_box(b2))));
    c.bench_function("cell and neighbours", |b| b.iter(|| black_box(a).cell(6).with_neighbours()));
}

fn surge(c: &mut Criterion) {
    c.bench_function("surge", |b| {
        b.iter(|| pricing::domain::surge_milli(black_box(40), black_box(12), 2_000));
    });
}

criterion_group!(domain, routes, places, surge);
criterion_main!(domain);
