//! Queries: what they are from, and in which order names come to be known.

use super::{
    Reader, Understood,
    expr::sort_key,
    names,
    outputs::{Outputs, announced, columns},
    refuse,
    scope::{Item, Scope},
};
use sqlparser::ast::{
    Distinct, Expr, Fetch, GroupByExpr, LimitClause, LockClause, NamedWindowDefinition, OrderBy, OrderByKind,
    Query, Select, SelectFlavor, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Values,
    WildcardAdditionalOptions,
};

impl Reader {
    /// Reads a query; the tables that a lock on its rows would lock.
    pub(super) fn query(&mut self, query: &Query) -> Understood<Vec<String>> {
        self.deeper(|reader| {
            let seen = reader.ctes.len();
            let result = reader.query_here(query);
            reader.ctes.truncate(seen);
            result
        })
        .map_err(|error| error.near(query))
    }

    fn query_here(&mut self, query: &Query) -> Understood<Vec<String>> {
        let Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause: None,
            settings: None,
            format_clause: None,
            pipe_operators,
        } = query
        else {
            return refuse("a clause of another dialect after the query");
        };
        if !pipe_operators.is_empty() {
            return refuse("a pipe");
        }
        // All names of WITH RECURSIVE are known in all its parts, and of WITH those that came before.
        if let Some(with) = with.as_ref().filter(|with| with.recursive) {
            self.ctes.extend(announced(with)?);
        }
        for cte in with.iter().flat_map(|with| &with.cte_tables) {
            if cte.from.is_some() {
                return refuse("FROM after a common table expression");
            }
            let (name, given) = (names::fold(&cte.alias.name)?, columns(&cte.alias)?);
            self.query(&cte.query)?;
            let outputs = std::mem::take(&mut self.last).renamed(given);
            self.ctes.push((name, outputs));
        }
        let ((), scope) = self.in_scope(Scope::default(), |reader| {
            reader.body(body)?;
            let outputs = std::mem::take(&mut reader.last);
            reader.order(order_by.as_ref(), body)?;
            reader.limit(limit_clause.as_ref(), fetch.as_ref())?;
            // What was read after it stood in it.
            reader.last = outputs;
            locks.iter().try_for_each(|lock| reader.lock_clause(lock, body))
        })?;
        Ok(scope.items.into_iter().flat_map(|item| item.locks).collect())
    }

    fn body(&mut self, body: &SetExpr) -> Understood<()> {
        self.deeper(|reader| match body {
            SetExpr::Select(select) => reader.select(select),
            SetExpr::Query(query) => {
                let locks = reader.query(query)?;
                reader.here().items.push(Item { locks, ..Item::default() });
                Ok(())
            }
            SetExpr::SetOperation { left, op: _, set_quantifier: _, right } => {
                // Each side has tables of its own.
                reader.in_scope(Scope::default(), |reader| reader.body(left))?;
                let outputs = std::mem::take(&mut reader.last);
                reader.in_scope(Scope::default(), |reader| reader.body(right))?;
                // The first names the columns of both.
                reader.last = outputs;
                Ok(())
            }
            SetExpr::Values(values) => reader.values(values),
            SetExpr::Insert(statement)
            | SetExpr::Update(statement)
            | SetExpr::Delete(statement)
            | SetExpr::Merge(statement) => reader.statement(statement),
            // The parser passes over the two tokens after the name, whatever they are.
            SetExpr::Table(_) => refuse("TABLE in place of a query"),
        })
    }

    pub(super) fn values(&mut self, values: &Values) -> Understood<()> {
        values.rows.iter().flat_map(|row| &row.content).try_for_each(|value| self.value(value))?;
        self.last = Outputs::of_values(values.rows.first().map_or(0, |row| row.content.len()));
        Ok(())
    }

    /// An expression where DEFAULT may stand as well.
    pub(super) fn value(&mut self, value: &Expr) -> Understood<()> {
        match value {
            Expr::Identifier(word)
                if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("default") =>
            {
                Ok(())
            }
            value => self.expr(value),
        }
    }

    fn select(&mut self, select: &Select) -> Understood<()> {
        let Select {
            select_token: _,
            optimizer_hints,
            distinct,
            select_modifiers: None,
            top: None,
            top_before_distinct: false,
            projection,
            exclude: None,
            into,
            from,
            lateral_views,
            prewhere: None,
            selection,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having,
            named_window,
            qualify: None,
            window_before_qualify: _,
            value_table_mode: None,
            flavor: SelectFlavor::Standard,
        } = select
        else {
            return refuse("a clause of another dialect in SELECT");
        };
        let empty = lateral_views.is_empty() && connect_by.is_empty() && cluster_by.is_empty();
        if !empty || !distribute_by.is_empty() || !sort_by.is_empty() || !optimizer_hints.is_empty() {
            return refuse("a clause of another dialect in SELECT");
        }
        if into.is_some() {
            return refuse("SELECT INTO makes a table");
        }
        self.from(from)?;
        self.projection(projection)?;
        let outputs = std::mem::take(&mut self.last);
        if let Some(Distinct::On(exprs)) = distinct {
            self.exprs(exprs)?;
        }
        self.exprs(selection)?;
        match group_by {
            GroupByExpr::Expressions(exprs, modifiers) if modifiers.is_empty() => self.exprs(exprs)?,
            GroupByExpr::Expressions(..) | GroupByExpr::All(_) => {
                return refuse("GROUP BY of another dialect");
            }
        }
        self.exprs(having)?;
        for NamedWindowDefinition(_, window) in named_window {
            self.named_window(window)?;
        }
        self.last = outputs;
        Ok(())
    }

    pub(super) fn projection(&mut self, projection: &[SelectItem]) -> Understood<()> {
        for item in projection {
            match item {
                SelectItem::UnnamedExpr(expr) => self.expr(expr)?,
                SelectItem::ExprWithAlias { expr, alias } => {
                    let alias = names::fold(alias)?;
                    self.expr(expr)?;
                    self.here().outputs.push(alias);
                }
                SelectItem::Wildcard(options) => {
                    plain(options)?;
                    self.star();
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                    plain(options)?;
                    self.qualified(&names::path(name)?, None)?;
                }
                SelectItem::QualifiedWildcard(..) | SelectItem::ExprWithAliases { .. } => {
                    return refuse("a result column of another dialect");
                }
            }
        }
        self.last = self.outputs(projection)?;
        Ok(())
    }

    fn order(&mut self, order_by: Option<&OrderBy>, body: &SetExpr) -> Understood<()> {
        let Some(OrderBy { kind, interpolate }) = order_by else { return Ok(()) };
        let OrderByKind::Expressions(keys) = kind else { return refuse("ORDER BY ALL") };
        if interpolate.is_some() {
            return refuse("INTERPOLATE");
        }
        // The server sorts the query within by tables that are not known here any more.
        if matches!(body, SetExpr::Query(_)) {
            return refuse("ORDER BY after a query in parentheses");
        }
        for key in keys {
            let expr = sort_key(key)?;
            // A bare name is that of a result column, if there is one.
            if let Expr::Identifier(name) = expr {
                let name = names::fold(name)?;
                if matches!(body, SetExpr::SetOperation { .. }) || self.here().outputs.contains(&name) {
                    continue;
                }
            }
            self.expr(expr)?;
        }
        Ok(())
    }

    fn limit(&mut self, limit: Option<&LimitClause>, fetch: Option<&Fetch>) -> Understood<()> {
        match limit {
            None => {}
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) if limit_by.is_empty() => {
                self.exprs(limit)?;
                self.exprs(offset.as_ref().map(|offset| &offset.value))?;
            }
            Some(LimitClause::LimitOffset { .. } | LimitClause::OffsetCommaLimit { .. }) => {
                return refuse("LIMIT of another dialect");
            }
        }
        match fetch {
            None => Ok(()),
            Some(Fetch { with_ties: _, percent: false, quantity }) => self.exprs(quantity),
            Some(Fetch { .. }) => refuse("FETCH by percent"),
        }
    }

    /// FOR UPDATE and its like.
    fn lock_clause(&mut self, lock: &LockClause, body: &SetExpr) -> Understood<()> {
        if !matches!(body, SetExpr::Select(_)) {
            return refuse("a lock on what is no plain query");
        }
        let Some(of) = &lock.of else {
            self.lock(None);
            return Ok(());
        };
        let name = names::single(of)?;
        if !self.here().items.iter().any(|item| item.name.last() == Some(&name)) {
            return refuse("a lock on what is not in FROM");
        }
        self.lock(Some(&name));
        Ok(())
    }
}

fn plain(options: &WildcardAdditionalOptions) -> Understood<()> {
    let WildcardAdditionalOptions {
        wildcard_token: _,
        opt_ilike: None,
        opt_exclude: None,
        opt_except: None,
        opt_replace: None,
        opt_rename: None,
        opt_alias: None,
    } = options
    else {
        return refuse("a star with options");
    };
    Ok(())
}
