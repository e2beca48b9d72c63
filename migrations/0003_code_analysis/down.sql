DROP TABLE code_analysis;
