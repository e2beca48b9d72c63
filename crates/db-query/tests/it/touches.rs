//! What statements say that they touch.

use db_query::{
    Access, Columns, Delete, Insert, Lock, Merge, OnConflict, Select, SqlType, Statement, Update, all,
    all_from, asc, col, constant, count_all, cte, desc, exists, func, json_agg, row_number, rows_of,
    string_agg, subquery, sum, table_as, value, window,
};

/// `table:access(columns)`, sorted.
fn told(statement: &Statement) -> Vec<String> {
    let columns = |columns: &Columns| match columns {
        Columns::All => "*".to_owned(),
        Columns::Named(names) => names.iter().cloned().collect::<Vec<_>>().join(","),
    };
    let touches = statement.touches();
    touches
        .iter()
        .map(|touch| format!("{}:{:?}({})", touch.table, touch.access, columns(&touch.columns)))
        .collect()
}

fn check(statement: Result<Statement, db_query::BuildError>, expected: &[&str]) {
    let statement = statement.expect("valid");
    assert_eq!(told(&statement), expected, "{}", statement.sql());
}

#[test]
fn columns_of_one_table() {
    let select = Select::from("tasks")
        .columns(["id", "title"])
        .filter(col("status").eq("x"))
        .order_by(asc("created_at"))
        .group_by(&["queue"]);
    check(select.build(), &["tasks:Read(created_at,id,queue,status,title)"]);
    check(Select::from("s.tasks").columns(all()).build(), &["s.tasks:Read(*)"]);
    check(Select::from("tasks").columns(count_all().alias("n")).build(), &["tasks:Read()"]);
}

#[test]
fn columns_go_to_the_table_that_their_alias_means() {
    let select = Select::from(table_as("tasks", "t"))
        .columns(("t.id", all_from("e")))
        .join(table_as("s.task_executions", "e"), col("e.task_id").eq_col("t.id"))
        .filter(col("t.status").eq("x"))
        .cross_join(rows_of(func("generate_series", (constant(1), constant(2))), "n", &["i"]))
        .columns("n.i");
    check(select.build(), &["s.task_executions:Read(*)", "tasks:Read(id,status)"]);
    let by_schema = Select::from("s.tasks").columns(["s.tasks.id", "tasks.title"]);
    check(by_schema.build(), &["s.tasks:Read(id,title)"]);
}

#[test]
fn a_bare_name_may_be_of_any_table() {
    let select = Select::from("a").columns(["x"]).join("b", col("a.id").eq_col("b.id"));
    check(select.build(), &["a:Read(id,x)", "b:Read(id,x)"]);
    // It may also be of a table around the query.
    let correlated = Select::from("a")
        .columns(["a.id"])
        .filter(exists(|q| q.from("b").columns(constant(1).alias("one")).filter(col("secret").eq(1_i32))));
    check(correlated.build(), &["a:Read(id,secret)", "b:Read(secret)"]);
}

#[test]
fn a_sort_by_a_result_column_reads_nothing() {
    let sorted = Select::from("a").columns(sum(col("x")).alias("total")).order_by(asc("total"));
    check(sorted.build(), &["a:Read(x)"]);
    // But a filter by that name means the table's column, whatever the result is called.
    let sly = Select::from("a").columns(count_all().alias("secret")).filter(col("secret").eq(1_i32));
    check(sly.build(), &["a:Read(secret)"]);
}

#[test]
fn common_table_expressions_are_no_tables() {
    let select = Select::from("recent").columns(["id"]).with("recent", |q| q.from("tasks").columns(["id"]));
    check(select.build(), &["tasks:Read(id)"]);
    // One that has a table's name reads that table in its own body, and hides it everywhere else.
    let hiding = Select::from("tasks").columns(["id"]).with("tasks", |q| q.from("tasks").columns(["title"]));
    check(hiding.build(), &["tasks:Read(title)"]);
    let recursive = Select::from("chain").columns(["n"]).with(cte("chain").recursive(), |q| {
        q.from("start").columns(["n"]).union(|q| q.from("chain").columns(["n"]))
    });
    check(recursive.build(), &["start:Read(n)"]);
    let inside =
        Select::from(subquery("s", |q| q.from("x").columns(all()).with("x", |q| q.from("y").columns(["z"]))))
            .columns(["s.z"])
            .and_from("x");
    check(inside.build(), &["x:Read()", "y:Read(z)"]);
}

#[test]
fn writes() {
    let insert = Insert::into("t", &["a", "b"])
        .row(|row| {
            row.value(1_i32).value(2_i32);
        })
        .on_conflict(OnConflict::columns(&["a"]).update(&["b"]))
        .returning(["c"]);
    check(insert.build(), &["t:Read(a,b,c)", "t:Insert(a,b)", "t:Update(b)"]);
    let update = Update::table("t").alias("u").set("a", 1_i32).from("s").filter(col("u.id").eq_col("s.id"));
    check(update.build(), &["s:Read(id)", "t:Read(id)", "t:Update(a)"]);
    let delete = Delete::from("t").filter(col("id").eq(1_i32));
    check(delete.build(), &["t:Read(id)", "t:Delete(*)"]);
    let merge = Merge::into("t", "s", col("t.id").eq_col("s.id"))
        .when_matched_delete(col("s.gone").holds())
        .when_matched_update((), |sets| {
            sets.set("a", 1_i32);
        })
        .when_not_matched_insert((), &["id"], |row| {
            row.expr(col("s.id"));
        });
    check(merge.build(), &["s:Read(gone,id)", "t:Read(id)", "t:Insert(id)", "t:Update(a)", "t:Delete(*)"]);
    let inside = Select::from("gone")
        .columns(["id"])
        .with("gone", |q| q.delete_from("t").all_rows().returning(["id"]));
    check(inside.build(), &["t:Read(id)", "t:Delete(*)"]);
}

#[test]
fn what_is_changed_is_a_table_whatever_common_table_expressions_are_called() {
    let one = |q: db_query::Start| q.select(constant(1).alias("x"));
    let delete = Delete::from("t").all_rows().with("t", one).build().expect("valid");
    assert!(!delete.is_read_only());
    check(Ok(delete), &["t:Delete(*)"]);
    check(Update::table("t").set("a", 1_i32).all_rows().with("t", one).build(), &["t:Update(a)"]);
    let insert = Insert::into("t", &["a"]).row(|row| {
        row.value(1_i32);
    });
    check(insert.with("t", one).build(), &["t:Insert(a)"]);
    let merge = Merge::into("t", "s", col("s.a").eq(1_i32)).when_matched_delete(()).with("t", one);
    check(merge.build(), &["s:Read(a)", "t:Read()", "t:Delete(*)"]);
}

#[test]
fn a_row_as_a_whole_is_every_column() {
    check(Select::from(table_as("t", "u")).columns(json_agg(col("u")).alias("rows")).build(), &["t:Read(*)"]);
    check(Select::from("t").columns(col("t").cast(SqlType::Text).alias("row")).build(), &["t:Read(*)"]);
    check(Select::from("s.t").columns(col("s.t").cast(SqlType::Text).alias("row")).build(), &["s.t:Read(*)"]);
}

#[test]
fn sort_keys_of_windows_and_aggregates_are_columns() {
    let place = row_number().over(window().order_by(desc("secret"))).alias("secret");
    check(Select::from("t").columns(("id", place)).build(), &["t:Read(id,secret)"]);
    let list = string_agg(col("name"), ",").ordered(desc("secret")).alias("secret");
    check(Select::from("t").columns(list).build(), &["t:Read(name,secret)"]);
}

#[test]
fn another_name_of_the_target_is_the_targets_whenever_it_is_said() {
    let delete = Delete::from("t").using("s").alias("u").filter(col("u.id").eq_col("s.id"));
    check(delete.returning(["u.secret"]).build(), &["s:Read(id)", "t:Read(id,secret)", "t:Delete(*)"]);
    let update = Update::table("t").from("s").alias("u").set("a", 1_i32).filter(col("u.id").eq_col("s.id"));
    check(update.build(), &["s:Read(id)", "t:Read(id)", "t:Update(a)"]);
}

#[test]
fn locks_reach_into_subqueries_but_not_into_conditions() {
    let sub =
        Select::from(subquery("s", |q| q.from("t").columns(["a"]))).columns(["s.a"]).lock(Lock::for_update());
    check(sub.build(), &["t:Read(a)", "t:Update()"]);
    let named = Select::from(subquery("s", |q| q.from("t").columns(["t.a"]))).columns(["s.a"]).and_from("u");
    check(named.lock(Lock::for_update().of(&["s"])).build(), &["t:Read(a)", "t:Update()", "u:Read()"]);
    let asked = Select::from("t").columns(["t.a"]).filter(exists(|q| q.from("u").columns(["u.b"])));
    check(asked.lock(Lock::for_update()).build(), &["t:Read(a)", "t:Update()", "u:Read(b)"]);
}

#[test]
fn locks_are_writes() {
    let locked =
        Select::from(table_as("a", "x")).columns(["x.id"]).and_from("b").lock(Lock::for_update().of(&["x"]));
    check(locked.build(), &["a:Read(id)", "a:Update()", "b:Read()"]);
    let all_locked = Select::from("a").columns(["id"]).lock(Lock::for_share());
    check(all_locked.build(), &["a:Read(id)", "a:Update()"]);
}

#[test]
fn only_what_surely_writes_nothing_is_read_only() {
    let read_only = |select: Select| select.build().expect("valid").is_read_only();
    assert!(read_only(
        Select::from("a").columns(sum(col("x")).over(window().partition_by(&["y"])).alias("s"))
    ));
    assert!(!read_only(Select::from("a").columns(["x"]).lock(Lock::for_share())));
    assert!(!read_only(Select::of(func("nextval", value("s")).alias("n"))));
    assert!(!read_only(Select::of(constant(1).alias("n")).with("w", |q| q.delete_from("t").all_rows())));
    let called = Select::of(func("s.f", value(1_i32)).alias("n")).build().expect("valid");
    assert_eq!(called.functions().into_iter().collect::<Vec<_>>(), ["s.f"]);
    assert!(Access::Update.is_write() && !Access::Read.is_write());
}

#[test]
fn clauses_that_changed_places_keep_their_names() {
    let select = Select::from("tasks")
        .limit(1)
        .filter(col("a").eq(1_i32))
        .columns(["b"])
        .order_by(asc("c"))
        .with("w", |q| q.from("other").limit(1).columns(["d"]).filter(col("e").eq(2_i32)))
        .filter(col("f").eq(3_i32));
    check(select.build(), &["other:Read(d,e)", "tasks:Read(a,b,c,f)"]);
}

/// `column:table|table`, sorted.
#[track_caller]
fn qualified(select: Select, expected: &str) {
    let statement = select.build().expect("valid");
    let (touches, names) = statement.touches_and_qualified();
    assert_eq!(touches, statement.touches());
    let of = |name: &db_query::Qualified| {
        format!("{}:{}", name.column, name.tables.iter().cloned().collect::<Vec<_>>().join("|"))
    };
    let mut names: Vec<String> = names.iter().map(of).collect();
    names.sort();
    assert_eq!(names.join(" "), expected, "{}", statement.sql());
}

#[test]
fn a_name_behind_a_dot_may_be_a_functions() {
    let texts = || func("unnest", value(vec![1_i32]));
    qualified(Select::from("a").columns(["x", "a.y"]), "y:a");
    qualified(Select::from(table_as("s.a", "q")).columns(["q.y"]).order_by(asc("q.z")), "y:s.a z:s.a");
    qualified(Select::from(rows_of(texts(), "q", &["v"])).columns(["q.v", "q.w"]), "w:");
    qualified(Select::from(rows_of(texts(), "q", &[])).columns(["q.v"]), "v:");
    let within =
        || subquery("q", |q| q.from("a").columns(("a.x", count_all().alias("n"))).filter(col("z").eq(1_i32)));
    qualified(Select::from(within()).columns(["q.x", "q.n", "q.z"]), "x:a z:");
    qualified(Select::from(subquery("q", |q| q.from("a").columns(all()))).columns(["q.x"]), "x:a");
    let star = subquery("q", |q| q.from(table_as("a", "r")).columns(all_from("r")).cross_join("b"));
    qualified(Select::from(star).columns(["q.x"]), "x:a");
    let with = |columns| {
        let recent = cte("recent").columns(columns);
        Select::from("recent").columns(["recent.x"]).with(recent, |q| q.from("a").columns(["x"]))
    };
    qualified(with(&[]), "");
    qualified(with(&["y"]), "x:");
    let recursive = Select::from("chain").columns(["chain.n"]).with(cte("chain").recursive(), |q| {
        q.from("start").columns(["n"]).union(|q| q.from("chain").columns(["chain.n", "chain.m"]))
    });
    qualified(recursive, "m:");
    let listed = db_query::unnest("q", |q| {
        q.column("v", vec![1_i32]).column("w", vec![2_i32]);
    });
    qualified(Select::from(listed).columns(["q.v", "q.w", "q.x"]), "x:");
    let rows = db_query::values("q", &["v"], |rows| {
        rows.row(|row| {
            row.value(1_i32);
        });
    });
    qualified(Select::from(rows).columns(["q.v", "q.x"]), "x:");
}
