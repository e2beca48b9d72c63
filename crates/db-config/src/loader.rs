//! Collects the layers and turns them into a [`Config`].

use crate::config::Secrets;
use crate::error::{Error, Problem};
use crate::layer::{self, Layer};
use crate::merge::{Setting, Settings};
use crate::provider::{self, StaticPassword};
use crate::value::Value;
use crate::{Config, Environment, Profile, Source, effective, merge};
use db_core::{PasswordProvider, Secret};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where to look, from the weakest layer to the strongest: defaults, files, `.env` files, environment, code.
///
/// Nothing is read before [`load`](Self::load), which may be called again to see what has changed.
#[derive(Clone, Default)]
pub struct Loader {
    #[cfg(feature = "file")]
    files: Vec<Wanted>,
    dotenvs: Vec<Wanted>,
    variables: Vec<(OsString, OsString)>,
    code: Vec<(String, String)>,
    passed_over: Vec<String>,
    password: Option<Arc<dyn PasswordProvider>>,
}

/// A file and whether it must be there.
#[derive(Clone)]
struct Wanted {
    path: PathBuf,
    required: bool,
}

impl Loader {
    /// A loader that knows only the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses the environment in code, over every other layer.
    #[must_use]
    pub fn environment(self, environment: Environment) -> Self {
        self.set("environment", environment.as_str())
    }

    /// Chooses the workload profile in code, over every other layer.
    #[must_use]
    pub fn profile(self, profile: Profile) -> Self {
        self.set("profile", profile.as_str())
    }

    /// Reads a YAML (`.yaml`, `.yml`) or TOML (`.toml`) file, which must exist. Of several the later wins.
    #[cfg(feature = "file")]
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push(Wanted { path: path.into(), required: true });
        self
    }

    /// The same for a file that may be absent.
    #[cfg(feature = "file")]
    #[must_use]
    pub fn file_if_present(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push(Wanted { path: path.into(), required: false });
        self
    }

    /// Reads a `.env` file, which must exist. The process environment stays as it is, and nothing is substituted.
    #[must_use]
    pub fn dotenv(mut self, path: impl Into<PathBuf>) -> Self {
        self.dotenvs.push(Wanted { path: path.into(), required: true });
        self
    }

    /// The same for a file that may be absent.
    #[must_use]
    pub fn dotenv_if_present(mut self, path: impl Into<PathBuf>) -> Self {
        self.dotenvs.push(Wanted { path: path.into(), required: false });
        self
    }

    /// Adds environment variables. Only those of the schema and those that start with `DB_` or `REDIS_` are looked at.
    #[must_use]
    pub fn env<N, V>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        self.variables.extend(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Adds the variables of this process, as they are now.
    #[must_use]
    pub fn process_env(self) -> Self {
        self.env(std::env::vars_os())
    }

    /// Sets a key by its path in a file, over every other layer; of two calls for one path the later wins.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let key = key.into();
        self.code.retain(|(other, _)| *other != key);
        self.code.push((key, value.into()));
        self
    }

    /// Asks this provider for the password, over every other layer.
    #[must_use]
    pub fn password(mut self, provider: Arc<dyn PasswordProvider>) -> Self {
        self.password = Some(provider);
        self
    }

    /// Passes over a variable, or a top-level section of a file, that belongs to another program; a `*` at the end
    /// stands for any rest.
    #[must_use]
    pub fn pass_over(mut self, name: impl Into<String>) -> Self {
        self.passed_over.push(name.into());
        self
    }

    /// Reads all layers. Blocks while it reads files; password files and commands are asked later, for each connection.
    ///
    /// # Errors
    /// [`Error::Invalid`] with everything that is wrong in any layer.
    pub fn load(&self) -> Result<Config, Error> {
        let (mut settings, mut problems) = merge::merge(self.layers());
        if self.password.is_some() {
            self.take_over_password(&mut settings);
        }
        effective::complete(&mut settings);
        problems.extend(effective::check(&settings));
        let mut found = |secret: Result<_, Problem>| secret.map_err(|problem| problems.push(problem)).ok();
        let password = found(self.provider(&settings).map(Some)).flatten();
        let master_key = found(provider::of(&settings, provider::MASTER_KEY)).flatten();
        let former_master_key = found(provider::of(&settings, provider::FORMER_MASTER_KEY)).flatten();
        let signing_key = found(provider::of(&settings, provider::SIGNING_KEY)).flatten();
        let checkpoint_webhook = found(provider::of(&settings, provider::CHECKPOINT_WEBHOOK)).flatten();
        match password {
            Some(password) if problems.is_empty() => Ok(Config::new(
                settings,
                Secrets { password, master_key, former_master_key, signing_key, checkpoint_webhook },
            )),
            _ => Err(Error::Invalid { problems }),
        }
    }

    fn layers(&self) -> Vec<Layer> {
        let passed_over = &self.passed_over;
        let mut layers = Vec::new();
        #[cfg(feature = "file")]
        for wanted in &self.files {
            let place = |path: &Path| Source::File { path: path.to_owned(), key: String::new(), line: None };
            layers.extend(wanted.read(place, |text| layer::file::read(&wanted.path, text, passed_over)));
        }
        for wanted in &self.dotenvs {
            let place = |path: &Path| Source::Dotenv { path: path.to_owned(), name: String::new(), line: 0 };
            layers.extend(wanted.read(place, |text| layer::dotenv::read(&wanted.path, text, passed_over)));
        }
        layers.push(layer::variables::read(&self.variables, passed_over));
        layers.push(layer::code::read(&self.code));
        layers
    }

    /// For `explain` the provider is the password, with code as its source.
    fn take_over_password(&self, settings: &mut Settings) {
        settings.remove("database.password_file");
        settings.remove("database.password_command");
        let source = Source::Code { key: "password provider".to_owned() };
        settings.insert("database.password", Setting::new(Value::Secret(Secret::new("")), source));
    }

    fn provider(&self, settings: &Settings) -> Result<Arc<dyn PasswordProvider>, Problem> {
        match &self.password {
            Some(provider) => Ok(Arc::clone(provider)),
            None => provider::of(settings, provider::PASSWORD)
                .map(|found| found.unwrap_or_else(|| Arc::new(StaticPassword::none()))),
        }
    }
}

impl Wanted {
    fn read(&self, place: impl Fn(&Path) -> Source, parse: impl Fn(&str) -> Layer) -> Option<Layer> {
        if !self.required && !self.path.exists() {
            return None;
        }
        Some(layer::read_text(&self.path).map_or_else(
            |problem| Layer { given: Vec::new(), problems: vec![problem.at(place(&self.path))] },
            |text| parse(&text),
        ))
    }
}

/// Says how much there is and not what: the values are not parsed yet, so any of them may be a secret.
impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader")
            .field("dotenvs", &self.dotenvs.len())
            .field("variables", &self.variables.len())
            .field("code", &self.code.len())
            .finish_non_exhaustive()
    }
}
