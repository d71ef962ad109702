//! What benchmarks share: doing something for a while, by one thread or by several, and figures as they are shown.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{anyhow, ensure};

/// Does something again and again for so long; gives how often a second, and the middle of the times in ms.
pub(crate) fn repeat(turn: Duration, mut act: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<(f64, f64)> {
    let (started, mut times) = (Instant::now(), Vec::new());
    while started.elapsed() < turn {
        let began = Instant::now();
        act()?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    ensure!(!times.is_empty(), "nothing was done in {turn:?}");
    Ok((times.len() as f64 / started.elapsed().as_secs_f64(), median(times)))
}

/// How often a second something is done with files in turn, by so many threads for so long; `act` is given the file's number.
pub(crate) fn rate_over_files(
    files: usize,
    threads: usize,
    turn: Duration,
    act: impl Fn(usize) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<f64> {
    let of_thread = |thread: usize| {
        let mut number = thread * files / threads;
        repeat(turn, || {
            number = (number + 1) % files;
            act(number)
        })
    };
    let rates = thread::scope(|scope| {
        let of_thread = &of_thread;
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || of_thread(thread))).collect();
        let joined = running.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a thread died"))?);
        joined.collect::<anyhow::Result<Vec<_>>>()
    })?;
    Ok(rates.into_iter().map(|(rate, _)| rate).sum())
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Three digits that matter.
pub(crate) fn number(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
