//! Questions, results, sources, and what is held to be known.

use db_model::knowledge::{self, KnowledgeEntry, NewKnowledgeEntry};
use db_model::research::{
    self, NewResearchQuery, NewResearchResult, ResearchChange, ResearchStatus, ResearchType,
};
use db_model::research_source::{self, NewResearchSource};
use db_model::{Error, ResearchSourceId, Urgency, repository};
use db_testkit::fresh_db;
use serde_json::json;

#[tokio::test]
async fn a_question_goes_its_way() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let new = NewResearchQuery::new("Machine learning trends in 2026")
            .research_type(ResearchType::Trend)
            .priority(Urgency::High);
        let query = repository::insert(&mut conn, &new).await.expect("inserted");
        assert_eq!((query.status, query.priority), (ResearchStatus::Pending, Urgency::High));
        let error = research::set_status(&mut conn, query.id, ResearchChange::Complete).await.unwrap_err();
        assert!(matches!(error, Error::Transition { from: "pending", to: "completed", .. }), "{error}");

        let started = research::set_status(&mut conn, query.id, ResearchChange::Start { agent: "r1" }).await;
        let started = started.expect("legal");
        assert_eq!((started.agent.as_deref(), started.started_at.is_some()), (Some("r1"), true));
        let details = json!({"why": "no source"});
        let failed =
            research::set_status(&mut conn, query.id, ResearchChange::Fail { details: &details }).await;
        assert_eq!(failed.expect("legal").error_details, Some(details));
        assert_eq!(research::open(&mut conn, 9).await.expect("asked"), []);
        let again = research::set_status(&mut conn, query.id, ResearchChange::Requeue).await.expect("legal");
        assert_eq!((again.status, again.completed_at), (ResearchStatus::Pending, None));
        assert_eq!(research::open(&mut conn, 9).await.expect("asked"), std::slice::from_ref(&again));
        research::set_status(&mut conn, query.id, ResearchChange::Start { agent: "r2" })
            .await
            .expect("legal");
        let done = research::set_status(&mut conn, query.id, ResearchChange::Complete).await.expect("legal");
        assert_eq!((done.error_details, done.version), (None, 6));
    })
    .await;
}

#[tokio::test]
async fn results_come_best_first_and_are_found_by_words() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let query = NewResearchQuery::new("How do trees talk?");
        repository::insert(&mut conn, &query).await.expect("inserted");
        let results = [
            NewResearchResult::new(query.id, "Fungi")
                .content("Roots are wired by fungi")
                .rank(2)
                .relevance(0.9),
            NewResearchResult::new(query.id, "Scent").content("Leaves warn by scent").rank(1).relevance(0.4),
            NewResearchResult::new(query.id, "Unranked").summary("fungi again").relevance(0.2),
        ];
        repository::insert_many(&mut conn, &results).await.expect("inserted");
        let titles = |found: Vec<research::ResearchResult>| -> Vec<String> {
            found.into_iter().map(|result| result.title).collect()
        };
        let best = research::results(&mut conn, query.id, 9).await.expect("asked");
        assert_eq!(titles(best), ["Scent", "Fungi", "Unranked"]);
        let found = research::search_results(&mut conn, "\"fungi\" -scent", None, 9).await.expect("asked");
        assert_eq!(titles(found), ["Fungi", "Unranked"]);
        let found = research::search_results(&mut conn, "fungi", Some(0.5), 9).await.expect("asked");
        assert_eq!(titles(found), ["Fungi"]);
        assert_eq!(research::search(&mut conn, "talking tree", 9).await.expect("asked").len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_source_is_one_row_a_url() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let url = "https://example.org/trees";
        let first = repository::upsert(&mut conn, &NewResearchSource::new(url).title("Trees")).await;
        let first = first.expect("inserted");
        assert_eq!(
            research_source::unvalidated(&mut conn, 9).await.expect("asked"),
            std::slice::from_ref(&first)
        );
        let valid =
            NewResearchSource::new(url).title("Trees").validated_at(first.created_at).credibility(0.8);
        let second = repository::upsert(&mut conn, &valid).await.expect("written over");
        assert_eq!((second.id, second.version), (first.id, 2));
        assert_eq!(research_source::unvalidated(&mut conn, 9).await.expect("asked"), []);
        assert_eq!(research_source::by_url(&mut conn, url).await.expect("asked"), Some(second));
        let error =
            repository::insert(&mut conn, &NewResearchSource::new("x").credibility(1.5)).await.unwrap_err();
        assert_eq!(error.constraint(), Some("research_sources_credibility_check"));
        assert!(error.to_string().contains("1.5"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn knowledge_is_replaced_rather_than_forgotten() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let source = repository::insert(&mut conn, &NewResearchSource::new("https://a.example")).await;
        let source = source.expect("inserted");
        let new =
            NewKnowledgeEntry::new("pluto", "Pluto is a planet", "The ninth.").tags(vec!["space".to_owned()]);
        let old = knowledge::insert(&mut conn, &new, &[source.id]).await.expect("inserted");
        assert_eq!(knowledge::sources(&mut conn, old.id, 9).await.expect("asked"), [source]);
        let newer = NewKnowledgeEntry::new("pluto", "Pluto is a dwarf planet", "Since 2006.");
        let newer = knowledge::replace(&mut conn, &old, newer).await.expect("replaced");
        assert_eq!(knowledge::replaced_by(&mut conn, old.id).await.expect("asked"), Some(newer.clone()));
        assert_eq!(
            knowledge::on_topic(&mut conn, "pluto", 9).await.expect("asked"),
            std::slice::from_ref(&newer)
        );
        let error =
            knowledge::replace(&mut conn, &old, NewKnowledgeEntry::new("a", "b", "c")).await.unwrap_err();
        assert!(matches!(error, Error::Stale { expected: 1, found: 2, .. }), "{error}");
        let tagged: Vec<KnowledgeEntry> = knowledge::tagged(&mut conn, &["space"], 9).await.expect("asked");
        assert_eq!(tagged.iter().map(|entry| entry.id).collect::<Vec<_>>(), [old.id]);
        assert_eq!(knowledge::search(&mut conn, "dwarf planets", 9).await.expect("asked").len(), 1);
        let other = NewKnowledgeEntry::new("a", "b", "c");
        let error = knowledge::insert(&mut conn, &other, &[ResearchSourceId::generate()]).await.unwrap_err();
        assert_eq!(error.constraint(), Some("knowledge_entry_sources_source_id_fkey"), "{error}");
    })
    .await;
}
