//! Result columns of any form.

use super::{expressions::any, source::Source};
use db_query::{Projection, Writer, all, all_from};

/// So many columns, or any number.
pub(super) struct AnyColumns<'s>(pub(super) &'s Source, pub(super) Option<u32>);

impl Projection for AnyColumns<'_> {
    fn write_columns(self, writer: &mut Writer) {
        let Self(source, count) = self;
        match count {
            Some(1) => one(source, writer),
            Some(_) => (One(source), One(source)).write_columns(writer),
            None => match source.below(5) {
                0 => all().write_columns(writer),
                1 => all_from(&source.dotted()).write_columns(writer),
                2 => (One(source), One(source), One(source)).write_columns(writer),
                3 => [source.dotted().as_str(), &source.dotted()].write_columns(writer),
                _ => one(source, writer),
            },
        }
    }
}

struct One<'s>(&'s Source);

impl Projection for One<'_> {
    fn write_columns(self, writer: &mut Writer) {
        one(self.0, writer);
    }
}

fn one(source: &Source, writer: &mut Writer) {
    if source.coin() {
        source.dotted().as_str().write_columns(writer);
    } else {
        let alias = source.plain();
        any(source).alias(&alias).write_columns(writer);
    }
}
