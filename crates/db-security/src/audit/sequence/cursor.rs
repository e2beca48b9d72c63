//! Where a sequencer is in the inbox. Pure, but for one question.

use crate::audit::{Error, partition::Month};
use sqlx::PgConnection;

/// Where to look in the inbox: what came before is moved, or has not committed.
///
/// A pass moves what had committed as it began, in as many batches as that takes; it ends however much comes meanwhile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cursor {
    /// What had committed when the last pass began is moved; `None` before the first.
    base: Option<Snapshot>,
    /// The snapshot of the pass that is under way, and the transaction that it has come to.
    pass: Option<(Snapshot, u64)>,
    /// The month whose partition is known to be there.
    pub(super) month: Option<Month>,
    /// How many events the next batch may have, after one that failed for one of them.
    pub(super) careful: Option<u32>,
}

/// Which transactions had ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshot {
    /// All from here on had not.
    xmax: u64,
    /// Nor had these before it.
    open: Vec<u64>,
}

impl Snapshot {
    /// As `pg_snapshot` is written: `xmin:xmax:open,open`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (_, xmax, open) = (parts.next()?, parts.next()?, parts.next()?);
        let open: Result<Vec<u64>, _> = open.split(',').filter(|id| !id.is_empty()).map(str::parse).collect();
        Some(Self { xmax: xmax.parse().ok()?, open: open.ok()? })
    }
}

impl Cursor {
    /// Transactions from which on to look, and some before them.
    pub(super) fn bounds(&self) -> (u64, Vec<u64>) {
        let base = self.base.as_ref();
        let from = self.pass.as_ref().map(|(_, at)| *at).max(base.map(|base| base.xmax)).unwrap_or(0);
        (from, base.map_or_else(Vec::new, |base| base.open.clone()))
    }

    /// Moves on behind a batch, which has come to this transaction, or to the end where that is `None`. Whether that was the last of its
    /// pass: what had committed as the pass began is moved.
    pub(super) fn advance(&mut self, snapshot: Snapshot, at: Option<u64>) -> bool {
        let first = self.pass.take().map_or(snapshot, |(first, _)| first);
        match at {
            Some(at) if at < first.xmax => {
                self.pass = Some((first, at));
                false
            }
            _ => {
                self.base = Some(first);
                true
            }
        }
    }
}

/// Whether anything has come since, in one round trip that locks and writes nothing.
pub(crate) async fn has_waiting(conn: &mut PgConnection, cursor: &Cursor) -> Result<bool, Error> {
    let (from, open) = cursor.bounds();
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM audit_inbox WHERE txid >= $1::text::xid8) \
         OR EXISTS (SELECT FROM audit_inbox WHERE txid = ANY ($2::text[]::xid8[]))",
    )
    .bind(from.to_string())
    .bind(open.iter().map(u64::to_string).collect::<Vec<_>>())
    .fetch_one(conn)
    .await
    .map_err(Error::while_trying("look at the inbox"))
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Snapshot};

    fn at(text: &str) -> Snapshot {
        Snapshot::parse(text).expect("a snapshot")
    }

    #[test]
    fn a_pass_ends_at_what_had_begun_when_it_did_however_much_comes() {
        let mut cursor = Cursor::default();
        assert!(!cursor.advance(at("10:20:12"), Some(11)));
        assert!(!cursor.advance(at("10:30:12,25"), Some(19)));
        assert_eq!(cursor.bounds(), (19, vec![]));
        assert!(cursor.advance(at("10:40:12,25"), Some(27)), "what comes behind is the next one's");
        assert_eq!(cursor.bounds(), (20, vec![12]));
        assert!(cursor.advance(at("10:50:"), None));
        assert_eq!(cursor.bounds(), (50, vec![]));
    }
}
