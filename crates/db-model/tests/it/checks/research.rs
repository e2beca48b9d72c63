//! Queries, sources, results, knowledge.

use super::Refused;

pub(super) const REFUSED: Refused = &[
    ("research_queries_query_text_check", "UPDATE research_queries SET query_text = ''"),
    ("research_queries_research_type_check", "UPDATE research_queries SET research_type = 'gossip'"),
    ("research_queries_priority_check", "UPDATE research_queries SET priority = 'medium'"),
    ("research_queries_status_check", "UPDATE research_queries SET status = 'paused'"),
    ("research_queries_version_check", "UPDATE research_queries SET version = 0"),
    ("research_queries_started_check", "UPDATE research_queries SET status = 'in_progress'"),
    (
        "research_queries_started_check",
        "UPDATE research_queries SET status = 'completed', completed_at = now()",
    ),
    ("research_queries_completed_check", "UPDATE research_queries SET status = 'failed'"),
    ("research_queries_completed_check", "UPDATE research_queries SET completed_at = now()"),
    ("research_sources_url_check", "UPDATE research_sources SET url = ''"),
    ("research_sources_url_check", "UPDATE research_sources SET url = repeat('u', 2049)"),
    ("research_sources_url_key", "INSERT INTO research_sources (url) SELECT url FROM research_sources"),
    ("research_sources_kind_check", "UPDATE research_sources SET kind = ''"),
    ("research_sources_credibility_check", "UPDATE research_sources SET credibility = -0.01"),
    ("research_sources_credibility_check", "UPDATE research_sources SET credibility = 'NaN'"),
    ("research_sources_version_check", "UPDATE research_sources SET version = 0"),
    ("research_results_query_id_fkey", "UPDATE research_results SET query_id = gen_random_uuid()"),
    ("research_results_source_id_fkey", "UPDATE research_results SET source_id = gen_random_uuid()"),
    ("research_results_title_check", "UPDATE research_results SET title = ''"),
    ("research_results_relevance_check", "UPDATE research_results SET relevance = 1.01"),
    ("research_results_confidence_check", "UPDATE research_results SET confidence = 1.01"),
    ("research_results_rank_check", "UPDATE research_results SET rank = 0"),
    ("knowledge_entries_topic_check", "UPDATE knowledge_entries SET topic = ''"),
    ("knowledge_entries_title_check", "UPDATE knowledge_entries SET title = ''"),
    ("knowledge_entries_content_check", "UPDATE knowledge_entries SET content = ''"),
    ("knowledge_entries_tags_check", "UPDATE knowledge_entries SET tags = '{NULL}'"),
    ("knowledge_entries_confidence_check", "UPDATE knowledge_entries SET confidence = 1.01"),
    ("knowledge_entries_supersedes_check", "UPDATE knowledge_entries SET supersedes = id"),
    ("knowledge_entries_supersedes_fkey", "UPDATE knowledge_entries SET supersedes = gen_random_uuid()"),
    ("knowledge_entries_valid_check", "UPDATE knowledge_entries SET valid_until = valid_from"),
    ("knowledge_entries_version_check", "UPDATE knowledge_entries SET version = 0"),
    (
        "knowledge_entry_sources_pkey",
        "INSERT INTO knowledge_entry_sources SELECT entry_id, source_id FROM knowledge_entry_sources",
    ),
    (
        "knowledge_entry_sources_entry_id_fkey",
        "UPDATE knowledge_entry_sources SET entry_id = gen_random_uuid()",
    ),
    (
        "knowledge_entry_sources_source_id_fkey",
        "UPDATE knowledge_entry_sources SET source_id = gen_random_uuid()",
    ),
    // Knowledge does not lose its evidence.
    ("knowledge_entry_sources_source_id_fkey", "DELETE FROM research_sources"),
];
