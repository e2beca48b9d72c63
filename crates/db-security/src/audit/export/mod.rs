//! Writes events out, so that others can read them, and with proofs so that they need not believe us.

mod check;
mod line;
mod table;

pub use check::{CheckedExport, ExportFlaw, verify_export};

use super::{Error, Found, MasterKey, Search, SignedCheckpoint, open_personal, prove::prove_all};
use line::{End, Event, Head, Line};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// A JSON object a line. The only one that can be verified.
    Ndjson,
    /// A table for people, with a line of names before it. What a spreadsheet would take for a formula has an apostrophe before it.
    Csv,
}

/// What to write out, and how.
#[derive(Clone, Debug)]
#[must_use]
pub struct Export {
    search: Search,
    format: ExportFormat,
    checkpoint: Option<SignedCheckpoint>,
    master: Option<MasterKey>,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Exported {
    /// Events.
    pub events: u64,
    /// Events that were found and left out, as the checkpoint that the proofs are of does not cover them yet.
    pub uncovered: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Events in memory at once.
const AT_ONCE: u32 = 500;

impl Export {
    /// All that a search finds; its limit does not count.
    pub fn new(search: Search, format: ExportFormat) -> Self {
        Self { search, format, checkpoint: None, master: None }
    }

    /// Proves each event by this checkpoint. Events that got their places after it, or have none, are left out and counted.
    /// A table gets the hashes of the leaves and no more.
    pub fn with_proofs(mut self, checkpoint: SignedCheckpoint) -> Self {
        self.checkpoint = Some(checkpoint);
        self
    }

    /// Opens what is personal. Whoever has the export can read it then, and erasing the subject does not end that.
    pub fn open_personal(mut self, master: MasterKey) -> Self {
        self.master = Some(master);
        self
    }

    /// Writes it, page by page and so in little memory, however much there is. `tell` hears how many events were looked at.
    ///
    /// Events that come meanwhile may be in it or not. In a transaction that is REPEATABLE READ it is what there was at one moment.
    ///
    /// # Errors
    /// Those of [`Search::page`]; [`Error::Damaged`] for an event that is not what the tree has; [`Error::WrongMasterKey`];
    /// [`Error::Write`].
    ///
    /// # Cancel safety
    /// What was written is cut off, and says so by its missing last line (not in a table).
    pub async fn write(
        &self,
        conn: &mut PgConnection,
        out: &mut (impl AsyncWrite + Unpin + Send),
        mut tell: impl FnMut(u64) + Send,
    ) -> Result<Exported, Error> {
        let search = self.search.clone().limit(AT_ONCE);
        search.check()?;
        let mut written = Written { out, sum: Sha256::new(), exported: Exported::default() };
        written.write(&self.begin()?).await?;
        let (mut cursor, mut looked_at) = (None::<String>, 0);
        loop {
            let mut page = search.page(conn, cursor.as_deref()).await?;
            looked_at += page.looked_at;
            if let Some(checkpoint) = &self.checkpoint {
                let found = page.events.len();
                page.events
                    .retain(|event| event.leaf.is_some_and(|leaf| leaf < checkpoint.checkpoint().size));
                written.exported.uncovered += (found - page.events.len()) as u64;
            }
            if let Some(master) = &self.master {
                open_personal(conn, master, &mut page.events).await?;
            }
            let text = self.lines(conn, &page.events).await?;
            written.write(&text).await?;
            written.exported.events += page.events.len() as u64;
            tell(looked_at);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        if self.checkpoint.is_some() && self.format == ExportFormat::Ndjson {
            let end = End { events: written.exported.events, sha256: hex(&written.sum.clone().finalize()) };
            written.write(&line::text(&Line::End(end))?).await?;
        }
        written.out.flush().await.map_err(|source| Error::Write { source })?;
        Ok(written.exported)
    }

    /// What comes before the events.
    fn begin(&self) -> Result<Vec<u8>, Error> {
        match (self.format, &self.checkpoint) {
            (ExportFormat::Csv, _) => table::head(),
            (ExportFormat::Ndjson, None) => Ok(Vec::new()),
            (ExportFormat::Ndjson, Some(checkpoint)) => line::text(&Line::Export(Head {
                version: line::VERSION,
                checkpoint: checkpoint.note().to_owned(),
                order: self.search.order,
            })),
        }
    }

    async fn lines(&self, conn: &mut PgConnection, events: &[Found]) -> Result<Vec<u8>, Error> {
        let mut text = Vec::new();
        match (self.format, &self.checkpoint) {
            (ExportFormat::Csv, _) => text = table::rows(events)?,
            (ExportFormat::Ndjson, None) => {
                for event in events {
                    text.extend(line::text(event)?);
                }
            }
            (ExportFormat::Ndjson, Some(checkpoint)) => {
                let proofs = prove_all(conn, events, checkpoint.checkpoint()).await?;
                for (event, (leaf_hash, proof)) in events.iter().zip(proofs) {
                    let line = Event { event: event.clone(), leaf_hash: leaf_hash.to_base64(), proof };
                    text.extend(line::text(&Line::Event(Box::new(line)))?);
                }
            }
        }
        Ok(text)
    }
}

/// Where it goes, and the hash of what went there.
struct Written<'w, W> {
    out: &'w mut W,
    sum: Sha256,
    exported: Exported,
}

impl<W: AsyncWrite + Unpin> Written<'_, W> {
    async fn write(&mut self, text: &[u8]) -> Result<(), Error> {
        self.sum.update(text);
        self.exported.bytes += text.len() as u64;
        self.out.write_all(text).await.map_err(|source| Error::Write { source })
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
