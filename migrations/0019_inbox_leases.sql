-- Whoever works on a notification has it until then: a copy that arrives meanwhile does not have it worked on twice at once.
ALTER TABLE inbox.notifications ADD COLUMN leased_until timestamptz;

-- What is still kept of people who were erased meanwhile, or of nobody, is looked for by these.
CREATE INDEX notifications_of_somebody ON inbox.notifications (settled_at) WHERE account IS NOT NULL AND sealed IS NOT NULL;
CREATE INDEX notifications_of_nobody ON inbox.notifications (settled_at) WHERE account IS NULL AND sealed IS NOT NULL;
