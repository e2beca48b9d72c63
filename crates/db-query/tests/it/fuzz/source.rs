//! Where a case gets its choices, names and values from: once hostile, and once harmless with the same choices.

use super::{filters, pieces};
use db_query::{Filter, Ident, Op, SqlType, TextConfig};
use rand::{SeedableRng, rngs::SmallRng};
use std::{
    cell::{Cell, RefCell},
    fmt::Write as _,
    sync::LazyLock,
};

/// In every hostile value, so that it is found wherever one ends up.
pub(super) const CANARY: &str = "~value~";

/// Constants of the harmless side, which live as long as the program.
static HARMLESS: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| (0..1_024).map(|number| &*Box::leak(format!("k{number}_0").into_boxed_str())).collect());

/// How much may stand inside something else: most statements are small, as a million of them have to be built, some are not.
const ROOM: [u32; 8] = [0, 0, 0, 1, 1, 1, 2, 6];

/// What a name was given for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Dots separate it.
    Dotted,
    /// Dots belong to it.
    Plain,
    /// In a comment, where quotes do not help.
    Hint,
    /// A string of the program.
    Constant,
}

/// A name that a case gave to the builder.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) text: String,
    pub(super) place: Place,
}

impl Given {
    /// Whether the builder has to refuse it; worked out here, not asked from there.
    pub(super) fn is_refused(&self) -> bool {
        let bad = |part: &str| part.is_empty() || part.len() > 63 || part.contains('\0');
        match self.place {
            Place::Dotted => self.text.split('.').any(bad),
            Place::Plain => bad(&self.text),
            Place::Hint => bad(&self.text) || self.text.contains("/*") || self.text.contains("*/"),
            Place::Constant => self.text.contains('\0'),
        }
    }

    /// A part of it, as it has to stand in the statement.
    pub(super) fn part(&self, number: usize) -> Option<&str> {
        match self.place {
            Place::Dotted => self.text.split('.').nth(number),
            _ => (number == 0).then_some(&self.text),
        }
    }
}

/// Choices, names and values of one statement.
pub(super) struct Source {
    choices: RefCell<SmallRng>,
    /// What is hostile comes from here; the harmless side has none.
    words: Option<RefCell<SmallRng>>,
    given: RefCell<Vec<Given>>,
    /// How many names were given.
    names: Cell<usize>,
    /// How many more queries and expressions may stand in others.
    room: Cell<u32>,
}

impl Source {
    /// With a harmless name for each hostile one: `k7_0` for the first part of the eighth.
    pub(super) fn harmless(shape: u64) -> Self {
        let mut choices = SmallRng::seed_from_u64(shape);
        let room = ROOM[pieces::below(&mut choices, 8) as usize];
        Self {
            choices: RefCell::new(choices),
            words: None,
            given: RefCell::default(),
            names: Cell::new(0),
            room: Cell::new(room),
        }
    }

    /// With hostile names and values, and the same choices.
    pub(super) fn hostile(shape: u64, variant: u64) -> Self {
        let words = SmallRng::seed_from_u64(!shape.wrapping_mul(16).wrapping_add(variant));
        Self { words: Some(RefCell::new(words)), ..Self::harmless(shape) }
    }

    pub(super) fn is_hostile(&self) -> bool {
        self.words.is_some()
    }

    /// How many names were given.
    pub(super) fn names(&self) -> usize {
        self.names.get()
    }

    /// What was given, in order; nothing on the harmless side.
    pub(super) fn into_given(self) -> Vec<Given> {
        self.given.into_inner()
    }

    /// One of so many choices.
    pub(super) fn below(&self, end: u32) -> u32 {
        pieces::below(&mut self.choices.borrow_mut(), end)
    }

    pub(super) fn coin(&self) -> bool {
        self.below(2) == 0
    }

    /// Whether something may stand inside something else once more.
    pub(super) fn goes_deeper(&self) -> bool {
        let room = self.room.get();
        self.room.set(room.saturating_sub(1));
        room > 0 && self.below(3) > 0
    }

    /// A name of one to three parts; the server's grammar would refuse a fourth.
    pub(super) fn dotted(&self) -> String {
        let parts = [1, 1, 1, 2, 3][self.below(5) as usize];
        self.name(Place::Dotted, parts, pieces::name)
    }

    /// A name where dots would separate it, and may not.
    pub(super) fn dotless(&self) -> String {
        self.name(Place::Dotted, 1, pieces::name)
    }

    /// A name that may have dots in it.
    pub(super) fn plain(&self) -> String {
        self.name(Place::Plain, 1, |rng| match pieces::below(rng, 8) {
            0 => ["a.b", ".", "\".\"", "..", "a.\"b"][pieces::below(rng, 5) as usize],
            _ => pieces::name(rng),
        })
    }

    pub(super) fn hint(&self) -> String {
        self.name(Place::Hint, 1, pieces::name)
    }

    /// A few names that may have dots in them.
    pub(super) fn plains(&self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.plain()).collect()
    }

    pub(super) fn constant(&self) -> &'static str {
        let number = self.next_name();
        let Some(words) = &self.words else { return HARMLESS[number] };
        let text = pieces::constant(&mut words.borrow_mut());
        self.given.borrow_mut().push(Given { text: text.to_owned(), place: Place::Constant });
        text
    }

    /// A type by a name; what is no name is none.
    pub(super) fn sql_type(&self) -> SqlType {
        let name = self.name(Place::Plain, 1, |rng| {
            loop {
                let name = pieces::name(rng);
                let refused = Given { text: name.to_owned(), place: Place::Plain }.is_refused();
                assert_eq!(Ident::parse(name).is_err(), refused, "{name:?} as the name of a type");
                if !refused {
                    return name;
                }
            }
        });
        let named = SqlType::Named(Ident::parse(&name).expect("looked at above"));
        if self.coin() { named } else { named.array() }
    }

    /// A text search configuration. Hardly any hostile name can be one.
    pub(super) fn config(&self) -> TextConfig {
        if let Some(words) = &self.words {
            let name = pieces::name(&mut words.borrow_mut());
            if TextConfig::parse(name).is_ok() {
                let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                assert!(plain, "{name:?} as a text search configuration");
            }
        }
        if self.coin() { TextConfig::simple() } else { TextConfig::english() }
    }

    /// An operator. Hardly any hostile text is one.
    pub(super) fn op(&self) -> Op {
        if let Some(words) = &self.words {
            let text = pieces::text(&mut words.borrow_mut());
            // Looking for the nearest one takes its time.
            if let Some(Ok(op)) = (text.len() < 4).then(|| text.parse::<Op>()) {
                assert_eq!(op.as_str(), text.trim().to_uppercase(), "as an operator");
            }
        }
        Op::ALL[self.below(25) as usize]
    }

    /// A value.
    pub(super) fn text(&self) -> String {
        let Some(words) = &self.words else { return "v".to_owned() };
        pieces::text(&mut words.borrow_mut()).to_owned() + CANARY
    }

    pub(super) fn texts(&self) -> Vec<String> {
        (0..self.below(3)).map(|_| self.text()).collect()
    }

    /// JSON as a value.
    pub(super) fn json(&self) -> serde_json::Value {
        let Some(words) = &self.words else { return serde_json::Value::Null };
        let words = &mut words.borrow_mut();
        match pieces::below(words, 8) {
            0 => filters::hostile_json(words),
            _ => serde_json::Value::String(pieces::text(words).to_owned() + CANARY),
        }
    }

    /// A filter that the parser takes, if the client sent one.
    pub(super) fn filter(&self) -> Option<Filter> {
        let json = filters::hostile_json(&mut self.choices.borrow_mut());
        let filter = filters::parse(&json)?;
        if self.is_hostile() {
            return Some(filter);
        }
        Some(
            filters::parse(&filters::harmless(json))
                .expect("what is taken with hostile texts is taken with others"),
        )
    }

    fn next_name(&self) -> usize {
        self.names.replace(self.names.get() + 1)
    }

    fn name(&self, place: Place, parts: usize, make: impl Fn(&mut SmallRng) -> &'static str) -> String {
        let number = self.next_name();
        let mut name = String::with_capacity(64);
        for part in 0..parts {
            if part > 0 {
                name.push('.');
            }
            match &self.words {
                Some(words) => name.push_str(make(&mut words.borrow_mut())),
                None => write!(name, "k{number}_{part}").expect("a String takes every write"),
            }
        }
        if self.is_hostile() {
            self.given.borrow_mut().push(Given { text: name.clone(), place });
        }
        name
    }
}
