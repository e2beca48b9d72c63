//! Which transactions somebody has heard of.

/// Which transactions were visible, as `pg_snapshot` writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    text: String,
    /// All below it are.
    pub(super) xmin: u64,
    /// None from it on is.
    xmax: u64,
    /// Nor are these.
    under_way: Vec<u64>,
}

impl Snapshot {
    pub(crate) fn parse(text: &str) -> Result<Self, sqlx::Error> {
        let mut parts = text.splitn(3, ':');
        let mut next = || parts.next().unwrap_or_default();
        let (xmin, xmax, rest) = (number(next())?, number(next())?, next());
        let under_way =
            rest.split(',').filter(|part| !part.is_empty()).map(number).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), xmin, xmax, under_way })
    }

    /// As the server writes it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn has(&self, txid: u64) -> bool {
        txid < self.xmin || txid < self.xmax && !self.under_way.contains(&txid)
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
        let snapshot = Snapshot::parse("10:20:12,15").expect("as the server writes it");
        let visible: Vec<u64> = (8..23).filter(|txid| snapshot.has(*txid)).collect();
        assert_eq!(visible, [8, 9, 10, 11, 13, 14, 16, 17, 18, 19]);
        assert!(Snapshot::parse("7:7:").expect("nothing is under way").under_way.is_empty());
        assert!(Snapshot::parse("7").is_err());
    }
}
