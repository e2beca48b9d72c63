//! Which transactions somebody has heard of.

use std::sync::Arc;

/// Which transactions of which history were visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// The server and its timeline: numbers of another one mean nothing here.
    origin: Arc<str>,
    /// As `pg_snapshot` writes it.
    text: String,
    /// All below it are.
    xmin: u64,
    /// None from it on is.
    xmax: u64,
    /// Nor are these.
    under_way: Vec<u64>,
}

impl Snapshot {
    pub(super) fn parse(origin: &str, text: &str) -> Result<Self, sqlx::Error> {
        let mut parts = text.splitn(3, ':');
        let mut next = || parts.next().unwrap_or_default();
        let (xmin, xmax, rest) = (number(next())?, number(next())?, next());
        let under_way =
            rest.split(',').filter(|part| !part.is_empty()).map(number).collect::<Result<_, _>>()?;
        Ok(Self { origin: origin.into(), text: text.to_owned(), xmin, xmax, under_way })
    }

    /// What stands beside a mark.
    pub(super) fn of_mark(text: &str) -> Option<Self> {
        let (origin, text) = text.split_once('/')?;
        Self::parse(origin, text).ok()
    }

    /// To stand beside a mark; it begins with a digit.
    pub(crate) fn mark(&self) -> String {
        format!("{}/{}", self.origin, self.text)
    }

    pub(super) fn has(&self, txid: u64) -> bool {
        txid < self.xmin || txid < self.xmax && !self.under_way.contains(&txid)
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn xmin(&self) -> u64 {
        self.xmin
    }
}

pub(super) fn number(text: &str) -> Result<u64, sqlx::Error> {
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::Snapshot;

    #[test]
    fn a_snapshot_tells_what_is_visible() {
        let snapshot = Snapshot::parse("7.1", "10:20:12,15").expect("as the server writes it");
        let visible: Vec<u64> = (8..23).filter(|txid| snapshot.has(*txid)).collect();
        assert_eq!(visible, [8, 9, 10, 11, 13, 14, 16, 17, 18, 19]);
        assert!(Snapshot::parse("7.1", "7:7:").expect("nothing is under way").under_way.is_empty());
        assert!(Snapshot::parse("7.1", "7").is_err());
        assert_eq!(Snapshot::of_mark(&snapshot.mark()), Some(snapshot));
        assert_eq!(Snapshot::of_mark("10:20:"), None);
    }
}
