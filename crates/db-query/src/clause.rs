//! The order of clauses in a statement's text: builders take them in any order, and PostgreSQL in one.

use crate::writer::{State, Writer};

/// A clause, in the order in which PostgreSQL wants them; no statement has all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Clause {
    /// `/*+ … */`, which `pg_hint_plan` finds only at the start.
    Hint,
    AfterHint,
    With,
    Recursive,
    Ctes,
    /// The space behind them.
    AfterCtes,
    /// `SELECT`, `INSERT INTO t (…)`, `UPDATE t SET`, `DELETE FROM t`, `MERGE INTO t`.
    Head,
    /// The other name of the table to change.
    Alias,
    Distinct,
    Columns,
    /// `VALUES …` or a SELECT.
    Rows,
    Conflict,
    Sets,
    /// `FROM` or `USING`.
    From,
    Where,
    GroupBy,
    Having,
    Window,
    /// `UNION …`, or the WHEN branches of a MERGE.
    Set,
    OrderBy,
    Limit,
    Offset,
    Lock,
    Returning,
}

/// One statement on the way: which clauses it has, and where it begins in what all nested ones share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    text: u32,
    segments: u32,
    spans: u32,
    seen: u32,
}

impl Frame {
    pub(crate) fn new(text: usize, segments: usize, spans: usize) -> Self {
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self { text: narrow(text), segments: narrow(segments), spans: narrow(spans), seen: 0 }
    }

    pub(crate) fn has(&self, clause: Clause) -> bool {
        self.seen & (1 << clause as u32) != 0
    }

    /// Goes on with a clause: writes `first` where it begins and `next` where it goes on.
    #[inline]
    pub(crate) fn clause(
        &mut self,
        writer: &mut Writer,
        clause: Clause,
        first: &'static str,
        next: &'static str,
    ) {
        let state = writer.state();
        let open = state.segments.len() > self.segments as usize
            && state.segments.last().is_some_and(|&(last, _)| last == clause);
        if !open {
            let at = state.at();
            state.segments.push((clause, at));
        }
        state.text.push_str(if self.has(clause) { next } else { first });
        self.seen |= 1 << clause as u32;
    }

    /// Where a clause of its kind would end once the clauses are in order.
    pub(crate) fn end_of(&self, writer: &mut Writer, clause: Clause) -> u32 {
        let state = writer.state();
        let own = &state.segments[self.segments as usize..];
        let ends = own.iter().skip(1).map(|next| next.1).chain([state.at()]);
        let upto = own.iter().zip(ends).filter(|((kind, _), _)| *kind <= clause);
        self.text + upto.map(|(&(_, at), end)| end - at).sum::<u32>()
    }

    /// Puts the clauses in order. In most statements they are, but that a SELECT names its table first.
    pub(crate) fn arrange(self, writer: &mut Writer) {
        let state = writer.state();
        let from = self.segments as usize;
        let own = &state.segments[from..];
        match own.windows(2).position(|pair| pair[0].0 > pair[1].0) {
            None => {}
            Some(first) if swapping_sorts(own, first) => swap(state, self, from + first),
            Some(_) => sort(state, self, from),
        }
        state.segments.truncate(from);
    }
}

/// Whether all that is out of order are the two neighbours at `first`.
fn swapping_sorts(segments: &[(Clause, u32)], first: usize) -> bool {
    let (left, right) = (segments[first].0, segments[first + 1].0);
    let before = first.checked_sub(1).is_none_or(|before| segments[before].0 <= right);
    let rest = &segments[first + 2..];
    before
        && rest.first().is_none_or(|next| left <= next.0)
        && rest.windows(2).all(|pair| pair[0].0 <= pair[1].0)
}

/// Swaps two neighbouring segments in place.
fn swap(state: &mut State, frame: Frame, position: usize) {
    let start = state.segments[position].1;
    let middle = state.segments[position + 1].1;
    let end = state.segments.get(position + 2).map_or_else(|| state.at(), |next| next.1);
    let mut text = std::mem::take(&mut state.text).into_bytes();
    text[start as usize..end as usize].rotate_left((middle - start) as usize);
    // Segments begin and end at characters, so what was UTF-8 is UTF-8 again.
    state.text = String::from_utf8(text).unwrap_or_default();
    for span in &mut state.spans[frame.spans as usize..] {
        if (start..middle).contains(&span.at) {
            span.at += end - middle;
        } else if (middle..end).contains(&span.at) {
            span.at -= middle - start;
        }
    }
}

/// Sorts the segments into a new text; those of one clause stay in the order in which they were written.
fn sort(state: &mut State, frame: Frame, from: usize) {
    let end = state.at();
    let ends = state.segments[from..].iter().skip(1).map(|next| next.1).chain([end]);
    let mut pieces: Vec<(Clause, u32, u32)> =
        state.segments[from..].iter().zip(ends).map(|(&(clause, at), end)| (clause, at, end)).collect();
    pieces.sort_by_key(|&(clause, ..)| clause);
    let mut text = String::with_capacity(state.text.capacity());
    text.push_str(&state.text[..frame.text as usize]);
    let mut moved = Vec::with_capacity(pieces.len());
    for &(_, at, end) in &pieces {
        moved.push((at, end, u32::try_from(text.len()).unwrap_or(u32::MAX)));
        text.push_str(&state.text[at as usize..end as usize]);
    }
    state.text = text;
    for span in &mut state.spans[frame.spans as usize..] {
        if let Some(&(at, _, now)) = moved.iter().find(|&&(at, end, _)| (at..end).contains(&span.at)) {
            span.at = span.at - at + now;
        }
    }
}
