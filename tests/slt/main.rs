//! Files in the format of SQLite's sqllogictest, run against a cluster in this process.
//!
//! `cargo test --test slt -- [--shards N] [--placement P] [--threads N] [--sample N] [--seed N] [--failures N] [--gathered N] PATH...`
//!
//! One plain SQLite runs all statements of a file. Before each run of queries the cluster is given the schema and the rows that the plain one has
//! then, placed on the shards as `--placement` says; both answer the queries, and both answers are held against the file.
//!
//! - `arguments`: what is asked for.
//! - `record`: a file as statements and queries.
//! - `printed`: values as the format prints them, `digest` how it shortens them.
//! - `reference`: the plain SQLite, its schema and rows.
//! - `placement`: which shard a key goes to, and clusters made that way.
//! - `compare`: two answers.
//! - `gathered`: why queries were gathered.
//! - `run`: one file.
//! - `report`: what became of all.
#![allow(missing_docs)]

#[path = "../support/mod.rs"]
mod support;

mod arguments;

mod record;

mod digest;
mod printed;

mod reference;

mod placement;

mod compare;

mod gathered;

mod run;

mod report;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use arguments::{Asked, arguments};
use placement::Template;
use report::Report;
use run::{Job, jobs, run_file};

fn main() -> ExitCode {
    let asked = match arguments(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    match asked {
        Asked::List => println!("slt: test\n\n1 test, 0 benchmarks"),
        Asked::Nothing => println!("0 tests, 1 filtered out"),
        Asked::Run(settings) => {
            let started = Instant::now();
            let template = Template::new(settings.shards);
            let report = run_all(jobs(&settings), &template, settings.threads);
            print!("{}", report.show(settings.failures_shown, settings.gathered_shown));
            println!("in {:.1?}", started.elapsed());
            println!("{} passed, {} failed", report.passed(), report.failed());
            if report.failed() > 0 {
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Each thread takes the next file as soon as it is done with one.
fn run_all(jobs: Vec<Job>, template: &Template, threads: usize) -> Report {
    let next = AtomicUsize::new(0);
    let whole = Mutex::new(Report::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = run_file(job, template);
                    whole.lock().expect("no thread panics while it adds").add(report);
                }
            });
        }
    });
    let mut whole = whole.into_inner().expect("no thread panics while it adds");
    whole.sort();
    whole
}
