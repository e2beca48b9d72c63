DROP TABLE learning_patterns, learning_events, plan_steps, plans, decisions;
