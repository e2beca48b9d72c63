DROP TABLE agent_metrics, agents;
