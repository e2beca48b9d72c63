//! A tracing subscriber that remembers, for tests of what is told.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span::{Attributes, Id},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    registry,
};

/// What was told: an event, or a span as it began.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) target: String,
    pub(crate) level: Level,
    pub(crate) is_span: bool,
    fields: BTreeMap<&'static str, String>,
}

impl Told {
    /// A field's value; empty when there is none.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// Everything in it, for a search.
    pub(crate) fn all(&self) -> String {
        format!("{self:?}")
    }
}

/// Remembers what is told on this thread, which on a current-thread runtime is all that the pool's tasks tell, too.
#[derive(Clone, Default)]
pub(crate) struct Captured {
    told: Arc<Mutex<Vec<Told>>>,
}

impl Captured {
    /// Begins; it ends when the guard is dropped.
    pub(crate) fn start(level: LevelFilter) -> (Self, DefaultGuard) {
        let captured = Self::default();
        let subscriber = registry().with(captured.clone()).with(level);
        (captured, tracing::subscriber::set_default(subscriber))
    }

    /// What was told so far with that in its target or message.
    pub(crate) fn about(&self, what: &str) -> Vec<Told> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let about = |told: &&Told| told.target == what || told.field("message").contains(what);
        told.iter().filter(about).cloned().collect()
    }

    fn keep(&self, target: &str, level: Level, is_span: bool, record: impl FnOnce(&mut dyn Visit)) {
        let mut fields = Fields::default();
        record(&mut fields);
        let told = Told { target: target.to_owned(), level, is_span, fields: fields.0 };
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    }
}

impl<S: Subscriber> Layer<S> for Captured {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let about = event.metadata();
        self.keep(about.target(), *about.level(), false, |fields| event.record(fields));
    }

    fn on_new_span(&self, span: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let about = span.metadata();
        self.keep(about.target(), *about.level(), true, |fields| span.record(fields));
    }
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}
