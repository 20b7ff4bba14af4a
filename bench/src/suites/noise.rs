//! Bare tonic against itself: what is left of a ratio when there is no difference.

use crate::{
    Outcome,
    duel::{Side, duel},
    run::Bench,
    suites::{Findings, counted, echo},
};

/// Runs the suite.
pub async fn run(bench: &Bench) -> Outcome<Findings> {
    let again = Side { name: "bare tonic again".into(), ..echo::bare(bench) };
    let sides = duel(bench, bench.load, &echo::target()?, &[echo::bare(bench), again]).await?;
    let criteria = counted(&sides);
    let notes = vec!["A ratio elsewhere in this report means no more than the brackets here allow.".into()];
    Ok(Findings { title: "Noise".into(), sides, criteria, notes })
}
