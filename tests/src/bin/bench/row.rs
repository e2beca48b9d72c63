//! A row of the report: one piece of work, ours and a peer's.

use serde::Serialize;

/// Below this many pairs, a ratio says nothing.
const LEAST_PAIRS: usize = 5;

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) area: &'static str,
    pub(crate) work: &'static str,
    /// Who does the same in another way; `None` where nobody does.
    pub(crate) peer: Option<&'static str>,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    /// The ratio to reach.
    pub(crate) goal: Option<f64>,
}

/// Which figures are good ones.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Better {
    /// Times, memory.
    Lower,
    /// Rates.
    Higher,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) area: &'static str,
    pub(crate) work: &'static str,
    pub(crate) peer: Option<&'static str>,
    pub(crate) unit: &'static str,
    pub(crate) ours: f64,
    pub(crate) theirs: Option<f64>,
    /// Above 1 where ours is better.
    pub(crate) ratio: Option<f64>,
    pub(crate) goal: Option<f64>,
    pub(crate) pairs: usize,
}

impl Row {
    /// The medians of both sides, and of one ratio; `theirs` is empty where there is no peer.
    pub(crate) fn new(work: &Work, ours: &[f64], theirs: &[f64]) -> Self {
        let pairs = ours.len().min(theirs.len());
        let (our_median, their_median) = (median(ours).unwrap_or(f64::NAN), median(theirs));
        let ratio = their_median.map(|theirs| match work.better {
            Better::Lower => theirs / our_median,
            Better::Higher => our_median / theirs,
        });
        Self {
            area: work.area,
            work: work.work,
            peer: work.peer,
            unit: work.unit,
            ours: our_median,
            theirs: their_median,
            ratio: ratio.filter(|ratio| pairs >= LEAST_PAIRS && ratio.is_finite()),
            goal: work.goal,
            pairs,
        }
    }
}

fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle)?;
    let lower = if sorted.len().is_multiple_of(2) { sorted.get(middle.checked_sub(1)?)? } else { upper };
    Some(f64::midpoint(*lower, *upper))
}

#[cfg(test)]
mod tests {
    use super::{Better, Row, Work, median};

    const WORK: Work =
        Work { area: "a", work: "w", peer: Some("p"), unit: "ms", better: Better::Lower, goal: Some(1.0) };

    #[test]
    fn a_ratio_above_one_is_better_for_us() {
        let row = Row::new(&WORK, &[2.0; 5], &[3.0; 5]);
        assert_eq!((row.ratio, row.pairs), (Some(1.5), 5));
        let rate = Work { better: Better::Higher, ..WORK };
        assert_eq!(Row::new(&rate, &[3.0; 5], &[2.0; 5]).ratio, Some(1.5));
    }

    #[test]
    fn few_pairs_have_no_ratio() {
        assert_eq!(Row::new(&WORK, &[2.0; 9], &[3.0; 4]).ratio, None);
        let alone = Row::new(&WORK, &[2.0; 9], &[]);
        assert_eq!((alone.ours, alone.theirs, alone.ratio, alone.pairs), (2.0, None, None, 0));
    }

    #[test]
    fn the_median_is_the_middle() {
        for (figures, expected) in
            [(&[][..], None), (&[3.0], Some(3.0)), (&[9.0, 1.0, 2.0], Some(2.0)), (&[4.0, 1.0], Some(2.5))]
        {
            assert_eq!(median(figures), expected, "{figures:?}");
        }
    }
}
