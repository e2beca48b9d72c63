//! Takes figures in turns, so that what else the machine does falls on both sides.

use crate::{
    Failure,
    row::{Row, Work},
};

/// Measures ours, theirs, ours, theirs, each `pairs` times; each measuring gives the figures of all `works` at once. One
/// pair comes before, and is not counted: it warms the page cache for both.
pub(crate) async fn in_turns<const N: usize>(
    works: [Work; N],
    pairs: usize,
    mut ours: impl AsyncFnMut() -> Result<[f64; N], Failure>,
    mut theirs: impl AsyncFnMut() -> Result<[f64; N], Failure>,
) -> Result<Vec<Row>, Failure> {
    ours().await?;
    theirs().await?;
    let (mut our_figures, mut their_figures) = (Vec::with_capacity(pairs), Vec::with_capacity(pairs));
    for _ in 0..pairs {
        our_figures.push(ours().await?);
        their_figures.push(theirs().await?);
    }
    let row = |(at, work): (usize, &Work)| {
        let column = |figures: &[[f64; N]]| figures.iter().map(|all| all[at]).collect::<Vec<_>>();
        Row::new(work, &column(&our_figures), &column(&their_figures))
    };
    Ok(works.iter().enumerate().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::{Work, in_turns};
    use crate::row::Better;
    use std::cell::RefCell;

    #[tokio::test]
    async fn the_sides_take_turns_after_one_pair_for_warmth() {
        const WORK: Work =
            Work { area: "a", work: "w", peer: Some("p"), unit: "ms", better: Better::Lower, goal: None };
        let turns = RefCell::new(String::new());
        let take = async |side: char, figure: f64| {
            turns.borrow_mut().push(side);
            Ok([figure])
        };
        let rows = in_turns([WORK], 5, async || take('A', 1.0).await, async || take('B', 2.0).await).await;
        assert_eq!(turns.into_inner(), "ABABABABABAB");
        let rows = rows.expect("measured");
        assert_eq!((rows.len(), rows[0].ratio, rows[0].pairs), (1, Some(2.0), 5));
    }
}
