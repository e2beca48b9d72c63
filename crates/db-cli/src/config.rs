//! `db config explain`.

use crate::{
    Exit, Failed,
    args::{ConfigAction, ConfigArgs},
    database,
    output::{self, Format},
};
use serde_json::json;

pub(crate) fn run(args: &ConfigArgs, format: Format) -> Result<Exit, Failed> {
    let ConfigAction::Explain(args) = &args.action;
    let explained = database::load(args)?.explain();
    output::print(format, &json!({ "settings": explained }), || explained.to_string());
    Ok(Exit::Done)
}
