//! Expressions: columns, functions, and the queries within them.

use super::{
    NotUnderstood, Reader, Understood,
    names::{self, Called},
    refuse,
};
use sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, CeilFloorKind, DataType, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArgOperator, FunctionArgumentClause, FunctionArgumentList, FunctionArguments,
    Ident, NamedWindowExpr, OrderByExpr, OrderBySort, Subscript, Value, WindowFrameBound, WindowSpec,
    WindowType,
};

impl Reader {
    pub(super) fn exprs<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr>) -> Understood<()> {
        exprs.into_iter().try_for_each(|expr| self.expr(expr))
    }

    pub(super) fn expr(&mut self, expr: &Expr) -> Understood<()> {
        // A chain of operators leans to the left, and may be longer than the stack is deep.
        let mut expr = expr;
        while let Expr::BinaryOp { left, op, right } = expr {
            operator(op).map_err(|error| error.near(expr))?;
            self.expr_of(right)?;
            expr = left;
        }
        self.expr_of(expr)
    }

    fn expr_of(&mut self, expr: &Expr) -> Understood<()> {
        self.deeper(|reader| reader.part(expr)).map_err(|error| error.near(expr))
    }

    fn part(&mut self, expr: &Expr) -> Understood<()> {
        match expr {
            Expr::BinaryOp { .. } => self.expr(expr),
            Expr::Identifier(name) => self.bare(&names::fold(name)?),
            Expr::CompoundIdentifier(parts) => self.compound(&parts.iter().collect::<Vec<_>>()),
            Expr::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain),
            Expr::IsFalse(expr)
            | Expr::IsNotFalse(expr)
            | Expr::IsTrue(expr)
            | Expr::IsNotTrue(expr)
            | Expr::IsNull(expr)
            | Expr::IsNotNull(expr)
            | Expr::IsUnknown(expr)
            | Expr::IsNotUnknown(expr)
            | Expr::Nested(expr)
            | Expr::UnaryOp { op: _, expr }
            | Expr::Collate { expr, collation: _ } => self.expr(expr),
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                self.exprs([&**left, &**right])
            }
            Expr::InList { expr, list, negated: _ } => {
                self.expr(expr)?;
                self.exprs(list)
            }
            Expr::InSubquery { expr, subquery, negated: _ } => {
                self.expr(expr)?;
                self.query(subquery).map(drop)
            }
            Expr::Between { expr, negated: _, low, high } => self.exprs([&**expr, &**low, &**high]),
            Expr::Like { negated: _, any: false, expr, pattern, escape_char }
            | Expr::ILike { negated: _, any: false, expr, pattern, escape_char }
            | Expr::SimilarTo { negated: _, expr, pattern, escape_char } => {
                self.exprs([&**expr, &**pattern])?;
                self.exprs(escape_char.as_deref())
            }
            Expr::AnyOp { left, compare_op, right, is_some: _ } | Expr::AllOp { left, compare_op, right } => {
                operator(compare_op)?;
                self.exprs([&**left, &**right])
            }
            Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr, data_type, format: None } => {
                built_in(data_type)?;
                self.expr(expr)
            }
            Expr::AtTimeZone { timestamp, time_zone } => self.exprs([&**timestamp, &**time_zone]),
            Expr::Extract { field: _, syntax: _, expr } => self.form("extract", [&**expr]),
            Expr::Ceil { expr, field: CeilFloorKind::DateTimeField(_) } => self.form("ceil", [&**expr]),
            Expr::Floor { expr, field: CeilFloorKind::DateTimeField(_) } => self.form("floor", [&**expr]),
            Expr::Position { expr, r#in } => self.form("position", [&**expr, &**r#in]),
            Expr::Substring { expr, substring_from, substring_for, special: _, shorthand: _ } => {
                self.form("substring", [&**expr])?;
                self.exprs(substring_from.as_deref())?;
                self.exprs(substring_for.as_deref())
            }
            Expr::Trim { trim_where: _, trim_what, expr, trim_characters } => {
                self.form("btrim", [&**expr])?;
                self.functions.extend(["ltrim".to_owned(), "rtrim".to_owned()]);
                self.exprs(trim_what.as_deref())?;
                self.exprs(trim_characters.iter().flatten())
            }
            Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                self.form("overlay", [&**expr, &**overlay_what, &**overlay_from])?;
                self.exprs(overlay_for.as_deref())
            }
            Expr::Value(value) => known(&value.value),
            Expr::TypedString(typed) if !typed.uses_odbc_syntax => {
                built_in(&typed.data_type)?;
                known(&typed.value.value)
            }
            Expr::Function(function) => self.function(function),
            Expr::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                self.exprs(operand.as_deref())?;
                for when in conditions {
                    self.exprs([&when.condition, &when.result])?;
                }
                self.exprs(else_result.as_deref())
            }
            Expr::Exists { subquery, negated: _ } | Expr::Subquery(subquery) => {
                self.query(subquery).map(drop)
            }
            Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => {
                self.exprs(sets.iter().flatten())
            }
            Expr::Tuple(exprs) => self.exprs(exprs),
            Expr::Array(array) => self.exprs(&array.elem),
            Expr::Interval(interval) => self.expr(&interval.value),
            _ => refuse("an expression of another dialect, or one that is not known"),
        }
    }

    /// `table.column` or `schema.table.column`.
    fn compound(&mut self, parts: &[&Ident]) -> Understood<()> {
        let mut parts = parts.iter().map(|part| names::fold(part)).collect::<Understood<Vec<_>>>()?;
        let column = parts.pop();
        if parts.is_empty() || parts.len() > 2 {
            return refuse("a name of more parts than a column's");
        }
        self.qualified(&parts, column.as_deref())
    }

    /// An element of an array. A field of a row might as well be a function that is called on it.
    fn access(&mut self, root: &Expr, chain: &[AccessExpr]) -> Understood<()> {
        let mut name: Vec<&Ident> = match root {
            Expr::Identifier(ident) => vec![ident],
            Expr::CompoundIdentifier(idents) => idents.iter().collect(),
            _ => Vec::new(),
        };
        let mut chain = chain;
        while let ([AccessExpr::Dot(Expr::Identifier(ident)), rest @ ..], false) = (chain, name.is_empty()) {
            name.push(ident);
            chain = rest;
        }
        match &name[..] {
            [] => self.expr(root)?,
            [only] => self.bare(&names::fold(only)?)?,
            parts => self.compound(parts)?,
        }
        for access in chain {
            match access {
                AccessExpr::Subscript(Subscript::Index { index }) => self.expr(index)?,
                AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride: None }) => {
                    self.exprs(lower_bound)?;
                    self.exprs(upper_bound)?;
                }
                AccessExpr::Subscript(Subscript::Slice { .. }) => return refuse("a slice with a stride"),
                AccessExpr::Dot(_) => return refuse("a field of a row, which may be a function"),
            }
        }
        Ok(())
    }

    /// A function that SQL has a form for.
    fn form<'e>(&mut self, name: &str, exprs: impl IntoIterator<Item = &'e Expr>) -> Understood<()> {
        self.functions.insert(name.to_owned());
        self.exprs(exprs)
    }

    pub(super) fn function(&mut self, function: &Function) -> Understood<()> {
        let Function { name, uses_odbc_syntax, parameters, args, within_group, filter, null_treatment, over } =
            function;
        if *uses_odbc_syntax || *parameters != FunctionArguments::None || null_treatment.is_some() {
            return refuse("a function call of another dialect");
        }
        match names::called(name, *args != FunctionArguments::None)? {
            Called::Function(name) => drop(self.functions.insert(name)),
            Called::Value | Called::Form => {}
        }
        match args {
            FunctionArguments::None => {}
            // ARRAY(SELECT ..).
            FunctionArguments::Subquery(query) => drop(self.query(query)?),
            FunctionArguments::List(FunctionArgumentList { duplicate_treatment: _, args, clauses }) => {
                self.arguments(args)?;
                for clause in clauses {
                    match clause {
                        FunctionArgumentClause::OrderBy(keys) => self.sort_keys(keys)?,
                        _ => return refuse("a clause within a function's arguments"),
                    }
                }
            }
        }
        self.sort_keys(within_group)?;
        self.exprs(filter.as_deref())?;
        match over {
            None | Some(WindowType::NamedWindow(_)) => Ok(()),
            Some(WindowType::WindowSpec(window)) => self.window(window),
        }
    }

    pub(super) fn arguments(&mut self, arguments: &[FunctionArg]) -> Understood<()> {
        use FunctionArgOperator::{Assignment, RightArrow};
        for argument in arguments {
            let value = match argument {
                FunctionArg::Unnamed(value) => value,
                FunctionArg::Named { name: _, arg, operator: RightArrow | Assignment }
                | FunctionArg::ExprNamed {
                    name: Expr::Identifier(_),
                    arg,
                    operator: RightArrow | Assignment,
                } => arg,
                FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => {
                    return refuse("an argument that is named in a way of another dialect");
                }
            };
            match value {
                FunctionArgExpr::Expr(expr) => self.expr(expr)?,
                FunctionArgExpr::Wildcard => {}
                FunctionArgExpr::QualifiedWildcard(name) => self.qualified(&names::path(name)?, None)?,
                FunctionArgExpr::WildcardWithOptions(_) => return refuse("a star with options"),
            }
        }
        Ok(())
    }

    pub(super) fn named_window(&mut self, window: &NamedWindowExpr) -> Understood<()> {
        match window {
            NamedWindowExpr::NamedWindow(_) => refuse("a window that is another by name"),
            NamedWindowExpr::WindowSpec(window) => self.window(window),
        }
    }

    fn window(&mut self, window: &WindowSpec) -> Understood<()> {
        let WindowSpec { window_name: _, partition_by, order_by, window_frame } = window;
        self.exprs(partition_by)?;
        self.sort_keys(order_by)?;
        let Some(frame) = window_frame else { return Ok(()) };
        for bound in [Some(&frame.start_bound), frame.end_bound.as_ref()].into_iter().flatten() {
            match bound {
                WindowFrameBound::CurrentRow => {}
                WindowFrameBound::Preceding(expr) | WindowFrameBound::Following(expr) => {
                    self.exprs(expr.as_deref())?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn sort_keys(&mut self, keys: &[OrderByExpr]) -> Understood<()> {
        keys.iter().try_for_each(|key| self.expr(sort_key(key)?))
    }
}

/// What is sorted by.
pub(super) fn sort_key(key: &OrderByExpr) -> Understood<&Expr> {
    let OrderByExpr { expr, options, with_fill: None } = key else { return refuse("WITH FILL") };
    if matches!(options.sort, Some(OrderBySort::Using(_))) {
        return Err(NotUnderstood::new("an operator to sort by").near(key));
    }
    Ok(expr)
}

/// Operators of the server's own; any other is a function of somebody's.
fn operator(op: &BinaryOperator) -> Understood<()> {
    match op {
        BinaryOperator::Custom(_)
        | BinaryOperator::PGCustomBinaryOperator(_)
        | BinaryOperator::Assignment
        | BinaryOperator::DuckIntegerDivide
        | BinaryOperator::MyIntegerDivide
        | BinaryOperator::Match
        | BinaryOperator::Regexp
        | BinaryOperator::Glob
        | BinaryOperator::Spaceship
        | BinaryOperator::Xor => refuse("an operator that is not the server's own"),
        _ => Ok(()),
    }
}

/// Values that parser and server write alike.
fn known(value: &Value) -> Understood<()> {
    match value {
        Value::Number(..)
        | Value::SingleQuotedString(_)
        | Value::DollarQuotedString(_)
        | Value::EscapedStringLiteral(_)
        | Value::Boolean(_)
        | Value::Null => Ok(()),
        Value::Placeholder(name) if name.starts_with('$') => Ok(()),
        _ => refuse("a value of another dialect"),
    }
}

/// Types whose casts run nobody's code but the server's.
const TYPES: &[&str] = &[
    "bigint",
    "bit",
    "bool",
    "boolean",
    "box",
    "bytea",
    "char",
    "character",
    "cidr",
    "circle",
    "date",
    "daterange",
    "dec",
    "decimal",
    "double",
    "float",
    "float4",
    "float8",
    "inet",
    "int",
    "int2",
    "int4",
    "int4range",
    "int8",
    "int8range",
    "integer",
    "interval",
    "json",
    "jsonb",
    "jsonpath",
    "line",
    "lseg",
    "macaddr",
    "macaddr8",
    "money",
    "name",
    "numeric",
    "numrange",
    "oid",
    "path",
    "point",
    "polygon",
    "precision",
    "real",
    "regclass",
    "smallint",
    "text",
    "time",
    "timestamp",
    "timestamptz",
    "timetz",
    "tsquery",
    "tsrange",
    "tstzrange",
    "tsvector",
    "uuid",
    "varbit",
    "varchar",
    "varying",
    "with",
    "without",
    "xml",
    "zone",
];

pub(super) fn built_in(data_type: &DataType) -> Understood<()> {
    let text = data_type.to_string().to_ascii_lowercase();
    let known = text
        .split([' ', '(', ')', '[', ']', ','])
        .filter(|word| !word.bytes().all(|byte| byte.is_ascii_digit()))
        .all(|word| TYPES.contains(&word));
    if known { Ok(()) } else { refuse("a type that is not the server's own") }
}
