//! Works measured side by side, in interleaved rounds: whatever slows the machine for a while slows all alike.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long one work runs in one round: long against the clock's resolution, short against the turns the system gives to
/// other processes, so that few of them fall into one of ours.
const TURN: Duration = Duration::from_micros(250);

/// Rounds that count. Odd, so that the median is one of them.
const ROUNDS: usize = 501;

/// Works of one kind, the first of which is what the others are compared with.
pub struct Contest<'a> {
    title: String,
    works: Vec<Work<'a>>,
}

/// Something that is done so many times, on average in so many nanoseconds a time, one for each round.
struct Work<'a> {
    name: String,
    run: Box<dyn FnMut(u32) + 'a>,
    times: u32,
    nanos: Vec<f64>,
}

/// How a contest went. Printed, it is a table.
pub struct Results {
    title: String,
    /// One for each work, the reference first.
    pub rows: Vec<Row>,
}

/// How one work did.
pub struct Row {
    /// The work.
    pub name: String,
    /// Its median time, in microseconds.
    pub micros: f64,
    /// The median of what each round gave as the ratio to the reference.
    pub ratio: f64,
}

impl<'a> Contest<'a> {
    /// Without works.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), works: Vec::new() }
    }

    /// With one more work. Its result is not thrown away by the compiler.
    #[must_use]
    pub fn work<R>(self, name: impl Into<String>, mut once: impl FnMut() -> R + 'a) -> Self {
        self.repeated(name, move |times| {
            for _ in 0..times {
                black_box(once());
            }
        })
    }

    /// With one more work, which repeats itself as often as it is told.
    #[must_use]
    pub fn repeated(mut self, name: impl Into<String>, run: impl FnMut(u32) + 'a) -> Self {
        self.works.push(Work { name: name.into(), run: Box::new(run), times: 1, nanos: Vec::new() });
        self
    }

    /// Runs all rounds.
    #[must_use]
    pub fn run(mut self) -> Results {
        self.works.iter_mut().for_each(Work::calibrate);
        for _ in 0..ROUNDS {
            // Who comes first in a round finds other caches; let it be each in turn.
            self.works.reverse();
            self.works.iter_mut().for_each(Work::turn);
        }
        if ROUNDS % 2 == 1 {
            self.works.reverse();
        }
        let rows = self.works.first().map(|reference| self.works.iter().map(|work| work.row(reference)).collect());
        Results { title: self.title, rows: rows.unwrap_or_default() }
    }
}

impl fmt::Display for Results {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.rows.iter().map(|row| &row.name).chain([&self.title]);
        let width = names.map(|name| name.chars().count()).max().unwrap_or_default();
        writeln!(formatter, "{:<width$}  {:>9}  {:>7}", self.title, "µs", "ratio")?;
        for Row { name, micros, ratio } in &self.rows {
            writeln!(formatter, "{name:<width$}  {micros:>9.3}  {ratio:>6.2}x")?;
        }
        Ok(())
    }
}

impl Work<'_> {
    /// Finds out how often it fits into a turn.
    fn calibrate(&mut self) {
        loop {
            // The quickest of some: a turn of another process in it would make it seem long enough.
            let took = (0..5).map(|_| self.time()).min().unwrap_or_default();
            if took >= TURN / 2 {
                let fits = TURN.as_secs_f64() / took.as_secs_f64() * f64::from(self.times);
                self.times = (fits as u32).max(1);
                return;
            }
            self.times = self.times.saturating_mul(2);
        }
    }

    fn turn(&mut self) {
        let took = self.time();
        self.nanos.push(took.as_secs_f64() * 1e9 / f64::from(self.times));
    }

    fn time(&mut self) -> Duration {
        let started = Instant::now();
        (self.run)(self.times);
        started.elapsed()
    }

    fn row(&self, reference: &Self) -> Row {
        // Within a round all met the same machine: the median of its ratios is steadier than the ratio of medians.
        let ratios = self.nanos.iter().zip(&reference.nanos).map(|(nanos, reference)| nanos / reference).collect();
        Row { name: self.name.clone(), micros: median(self.nanos.clone()) / 1000.0, ratio: median(ratios) }
    }
}

/// The middle one of some figures; 0 of none.
#[must_use]
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_the_work_is_twice_the_time() {
        let count = |upto: u64| (0..upto).fold(0u64, |sum, number| black_box(sum.wrapping_add(number)));
        let results = Contest::new("counting").work("once", || count(20_000)).work("twice", || count(40_000)).run();
        let [once, twice] = &results.rows[..] else { panic!("two works, two rows") };
        assert_eq!((once.name.as_str(), once.ratio, twice.name.as_str()), ("once", 1.0, "twice"));
        assert!((1.5..2.5).contains(&twice.ratio), "{results}");
    }

    #[test]
    fn one_wild_figure_does_not_move_the_median() {
        assert_eq!(median(vec![3.0, 900.0, 1.0, 2.0, 2.5]), 2.5);
        assert_eq!(median(Vec::new()), 0.0);
    }
}
