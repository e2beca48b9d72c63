DROP TABLE knowledge_entry_sources, knowledge_entries, research_results, research_sources, research_queries;
