DROP TABLE email_analysis, email_attachments, email_participants, emails, email_threads;
