//! What cannot be built, and what is said about it.

use db_query::{
    BuildError, Delete, Field, Insert, Kind, Merge, OnConflict, Op, PlanHint, Select, Setting, Table, Update,
    all, all_of, col, constant, cte, exists, unnest, value,
};

fn says(error: &BuildError, expected: &str) {
    assert_eq!(error.to_string(), expected);
}

#[test]
fn changing_every_row_unsaid() {
    assert_eq!(Update::table("t").set("a", 1_i32).build().unwrap_err(), BuildError::Unbounded);
    assert_eq!(Delete::from("t").build().unwrap_err(), BuildError::Unbounded);
    let inside = Select::from("gone").columns(all()).with("gone", |q| q.delete_from("t").returning(all()));
    assert_eq!(inside.build().unwrap_err(), BuildError::Unbounded);
    let empty = all_of(Vec::from([col("a").eq(1_i32)]).into_iter().skip(1));
    assert_eq!(
        Delete::from("t").filter(empty).build().unwrap_err(),
        BuildError::Incomplete { missing: "condition in all_of() or any_of()" }
    );
    assert!(Update::table("t").set("a", 1_i32).all_rows().build().is_ok());
}

#[test]
fn half_a_statement() {
    assert_eq!(Select::from("t").build().unwrap_err(), BuildError::NoColumns);
    assert_eq!(Update::table("t").all_rows().build().unwrap_err(), BuildError::NoColumns);
    assert_eq!(Insert::into("t", &["a"]).build().unwrap_err(), BuildError::Incomplete { missing: "row" });
    assert_eq!(Insert::into("t", &[]).row(|_| {}).build().unwrap_err(), BuildError::NoColumns);
    let merge = Merge::into("t", "s", col("t.a").eq_col("s.a")).build();
    assert_eq!(merge.unwrap_err(), BuildError::Incomplete { missing: "branch of MERGE" });
    let merge = || Merge::into("t", "s", col("t.a").eq_col("s.a"));
    let recursive =
        merge().when_matched_delete(()).with(cte("r").recursive(), |q| q.from("r").columns(all()));
    assert!(
        matches!(recursive.build().unwrap_err(), BuildError::Incomplete { .. }),
        "MERGE takes no recursion"
    );
    let unreached = merge().when_matched_delete(()).when_matched_do_nothing(col("s.b").holds());
    assert!(matches!(unreached.build().unwrap_err(), BuildError::Twice { .. }));
    let short = Insert::into("t", &["a", "b"]).row(|row| {
        row.value(1_i32);
    });
    assert_eq!(short.build().unwrap_err(), BuildError::RowLength { row: 1, values: 1, columns: 2 });
    let ragged = Select::from(unnest("u", |arrays| {
        arrays.column("a", vec![1_i32]).column("b", vec![1_i32, 2]);
    }));
    assert!(matches!(ragged.columns(all()).build().unwrap_err(), BuildError::RowLength { .. }));
    let aimless = Insert::into("t", &["a"]).row(|row| {
        row.value(1_i32);
    });
    assert!(aimless.on_conflict(OnConflict::any().update(&["a"])).build().is_err());
}

#[test]
fn conditions_that_every_row_meets() {
    let every: [fn(Delete) -> Delete; 6] = [
        |delete| delete.filter(constant(true).holds()),
        |delete| delete.filter(!constant(false).holds()),
        |delete| delete.filter(constant(true).holds().is_true()),
        |delete| delete.filter(constant(false).holds().is_not_true()),
        |delete| delete.filter(col("a").eq(1_i32).or(constant(true).holds())),
        |delete| delete.filter(col("a").none_of(Vec::<i32>::new())),
    ];
    for (number, filter) in every.into_iter().enumerate() {
        assert_eq!(filter(Delete::from("t")).build().unwrap_err(), BuildError::Unbounded, "{number}");
    }
    let some: [fn(Delete) -> Delete; 3] = [
        |delete| delete.filter(constant(false).holds()),
        |delete| delete.filter(col("a").eq(1_i32).and(constant(true).holds())),
        |delete| delete.filter(col("a").any(Vec::<i32>::new())),
    ];
    for (number, filter) in some.into_iter().enumerate() {
        assert!(filter(Delete::from("t")).build().is_ok(), "{number}");
    }
}

#[test]
fn what_the_server_would_read_otherwise() {
    let union = Select::of(constant(1).alias("n")).union(|q| q.select(constant(2).alias("n")));
    let misread = union.intersect(|q| q.select(constant(2).alias("n"))).build().unwrap_err();
    assert!(matches!(misread, BuildError::Misplaced { .. }), "INTERSECT binds closer");
    for join in [
        Select::of(constant(1).alias("n")).cross_join("t"),
        Select::of(constant(1).alias("n")).join("t", col("a").eq(1_i32)),
        Select::of(constant(1).alias("n")).join_using("t", &["a"]),
    ] {
        assert_eq!(join.build().unwrap_err(), BuildError::Incomplete { missing: "table to join to" });
    }
    let hinted = Select::from("t")
        .columns(all())
        .filter(exists(|q| q.from("s").columns(all()).hint(PlanHint::SeqScan("s"))));
    assert!(matches!(hinted.build().unwrap_err(), BuildError::Misplaced { .. }));
    let both = Insert::into("t", &["a"]).from_query(|q| q.from("s").columns(["a"])).row(|row| {
        row.value(1_i32);
    });
    assert!(matches!(both.build().unwrap_err(), BuildError::Twice { .. }));
    for empty in [
        Select::from("t").columns(&[] as &[&str]),
        Select::from("t").columns(all()).distinct_on(&[]),
        Select::from("t").columns(all()).join_using("s", &[]),
    ] {
        assert_eq!(empty.build().unwrap_err(), BuildError::NoColumns);
    }
    assert!(Delete::from("t").all_rows().returning(&[] as &[&str]).build().is_err());
}

#[test]
fn a_number_is_never_that_of_a_column() {
    let select = Select::from("t").columns(all()).group_by_expr(constant(1)).order_by(constant(1).asc());
    let sql = select.build().expect("valid");
    assert!(sql.sql().ends_with("GROUP BY CAST(1 AS int4) ORDER BY CAST(1 AS int4) ASC"), "{}", sql.sql());
}

#[test]
fn the_same_clause_twice() {
    let twice = Select::from("t").columns(all()).limit(1).limit(2).build().unwrap_err();
    assert_eq!(twice, BuildError::Twice { clause: "LIMIT" });
    assert!(Select::from("t").columns(all()).offset(1).offset(2).build().is_err());
    assert!(Select::from("t").columns(all()).distinct().distinct_on(&["a"]).build().is_err());
}

#[test]
fn names_that_postgresql_cannot_have() {
    let error = Select::from("").columns(["a"]).filter(col("x\0").eq(1_i32)).build().unwrap_err();
    assert!(matches!(error, BuildError::Ident { name, .. } if name.is_empty()), "the first mistake is told");
    for name in ["a.", ".a", "a.b.c.d", "a\0b", &"x".repeat(64)] {
        assert!(Select::from("t").columns([name]).build().is_err(), "{name:?}");
    }
    for hint in ["a*/b", "/*", "", "a\0"] {
        let built = Select::from("t").columns(all()).hint(PlanHint::SeqScan(hint)).build();
        assert!(built.is_err(), "{hint:?}");
    }
}

#[test]
fn names_that_nobody_knows() {
    says(
        &"ILIK".parse::<Op>().unwrap_err(),
        r#""ILIK" is no operator that compares a column with a value; did you mean "ILIKE"?"#,
    );
    for op in ["", "= 1 OR 1", "IN", "; --", "IS"] {
        assert!(op.parse::<Op>().is_err(), "{op:?}");
    }
    assert_eq!(" not   like ".parse::<Op>(), Ok(Op::NotLike));
    assert_eq!("!=".parse::<Op>(), Ok(Op::Ne));
    says(
        &"work_men".parse::<Setting>().unwrap_err(),
        r#""work_men" is no setting that a statement can have; did you mean "work_mem"?"#,
    );
}

#[test]
fn columns_that_the_catalogue_does_not_have() {
    const TASKS: Table =
        Table::new("tasks", &[Field::new("id", Kind::Uuid), Field::new("created_at", Kind::Timestamptz)]);
    const LOGS: Table =
        Table::new("logs", &[Field::new("task_id", Kind::Uuid), Field::new("line", Kind::Text)]);
    let known = [&TASKS, &LOGS];
    let check = |select: Select| select.build().expect("valid").check(&known);
    assert_eq!(check(Select::from(&TASKS).columns(["id", "tasks.created_at"])), Ok(()));
    // A schema changes nothing, and what may be of a subquery is left to the server.
    assert_eq!(
        check(Select::from("s.tasks").join("s.logs", col("task_id").eq_col("s.tasks.id")).columns(["line"])),
        Ok(())
    );
    let with =
        Select::from("tasks").and_from("x").columns(["n"]).with("x", |q| q.select(constant(1).alias("n")));
    assert_eq!(check(with), Ok(()));
    // Bare names may be of either table.
    let joined = Select::from("tasks").columns(["created_at", "line"]);
    assert_eq!(check(joined.join("logs", col("task_id").eq_col("tasks.id"))), Ok(()));
    says(
        &check(Select::from("tasks").columns(["creatd_at"])).unwrap_err(),
        r#"table "tasks" has no column "creatd_at"; did you mean "created_at"?"#,
    );
    says(
        &check(Select::from("task").columns(all())).unwrap_err(),
        r#"there is no table "task"; did you mean "tasks"?"#,
    );
    says(&TASKS.field("xyz").unwrap_err(), r#"table "tasks" has no column "xyz""#);
    assert_eq!(TASKS.field("id").expect("known").kind(), Kind::Uuid);
}

#[test]
fn too_much() {
    let mut insert = Insert::into("t", &["a"]);
    for _ in 0..65_536 {
        insert = insert.row(|row| {
            row.value(1_i32);
        });
    }
    assert_eq!(insert.build().unwrap_err(), BuildError::TooManyParameters { max: 65_535 });
    let mut unions = Select::of(value(1_i32).alias("n"));
    for _ in 0..300 {
        unions = unions.union(|q| q.select(value(1_i32).alias("n")));
    }
    assert_eq!(unions.build().unwrap_err(), BuildError::TooManyQueries { max: 255 });
}
