DROP TABLE user_preferences, user_sessions, user_profiles, users;
