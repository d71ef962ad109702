//! Times by round, and what is said of them.

use std::time::{Duration, Instant};

/// Times of one query at one contender, round by round.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times(Vec<Vec<Duration>>);

/// How many times another's time something took: in the middle round, in the best and in the worst.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
}

impl Times {
    /// Begins a round.
    pub(crate) fn begin_round(&mut self) {
        self.0.push(Vec::new());
    }

    /// Adds a run that ends now to the round.
    pub(crate) fn push_since(&mut self, started: Instant) {
        self.push(started.elapsed());
    }

    /// Adds a run to the round.
    pub(crate) fn push(&mut self, time: Duration) {
        match self.0.last_mut() {
            Some(round) => round.push(time),
            None => self.0.push(vec![time]),
        }
    }

    /// Adds runs to the round.
    pub(crate) fn extend(&mut self, times: impl IntoIterator<Item = Duration>) {
        times.into_iter().for_each(|time| self.push(time));
    }

    /// The time that so much of the runs stay within, in milliseconds.
    pub(crate) fn percentile_ms(&self, percent: usize) -> f64 {
        percentile_ms(self.0.iter().flatten().copied().collect(), percent)
    }

    /// The fastest run, in milliseconds: what is left when the machine does nothing else.
    pub(crate) fn best_ms(&self) -> f64 {
        self.percentile_ms(0)
    }

    /// The median of each round, in milliseconds.
    pub(crate) fn medians_ms(&self) -> Vec<f64> {
        self.0.iter().map(|round| percentile_ms(round.clone(), 50)).collect()
    }

    /// How many runs.
    pub(crate) fn runs(&self) -> u32 {
        self.0.iter().map(Vec::len).sum::<usize>() as u32
    }

    /// This beside another: the medians of each round are compared with each other, since they met the same machine.
    pub(crate) fn ratio_to(&self, other: &Times) -> Ratio {
        let pairs = self.medians_ms().into_iter().zip(other.medians_ms());
        Ratio::of(pairs.map(|(this, other)| this / other).collect())
    }
}

impl Ratio {
    /// Of the ratios of the rounds.
    pub(crate) fn of(mut ratios: Vec<f64>) -> Ratio {
        ratios.sort_by(f64::total_cmp);
        let at = |place: usize| ratios.get(place).copied().unwrap_or(f64::NAN);
        Ratio { median: at(ratios.len() / 2), lowest: at(0), highest: at(ratios.len().saturating_sub(1)) }
    }
}

fn percentile_ms(mut times: Vec<Duration>, percent: usize) -> f64 {
    times.sort();
    let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(place).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}
