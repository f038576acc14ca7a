-- {} stands for the schema. Times are nanoseconds since 1970. Records are the
-- JSON of the structs of package state, in UTF-8. They are bytes, not json:
-- the server would not take all that JSON allows in a string, and has nothing
-- to do with what is in them. To look at one:
--   SELECT convert_from(record, 'UTF8')::json FROM orchestrator.deployments;

-- The numbers of deployments, leases and blobs; a number is given once.
CREATE SEQUENCE {}.numbers;

-- What belongs to a deployment is written only by who has locked its row, or
-- before there is one (see unfinished), so there is no need for foreign keys.
CREATE TABLE {}.deployments (
    id            text COLLATE "C" PRIMARY KEY,
    number        bigint NOT NULL, -- tells it from an earlier one of the same ID
    revision      bigint NOT NULL,
    first_seq     bigint NOT NULL, -- of the journal
    last_seq      bigint NOT NULL,
    last_log      bigint NOT NULL,
    last_signal   bigint NOT NULL,
    created       bigint NOT NULL,
    updated       bigint NOT NULL,
    template      text COLLATE "C", -- the blob's digest
    record        bytea NOT NULL,
    last_commit   bytea, -- drawn by who made the last commit, to know it again
    lease_token   bigint, -- null where nobody has the lease
    lease_owner   bytea,
    lease_expires bigint
) WITH (fillfactor = 50); -- each commit writes its row anew

CREATE TABLE {}.instances (
    deployment bigint NOT NULL,
    id         text COLLATE "C" NOT NULL,
    record     bytea NOT NULL,
    PRIMARY KEY (deployment, id)
) WITH (fillfactor = 80);

CREATE TABLE {}.runs (
    deployment bigint NOT NULL,
    id         text COLLATE "C" NOT NULL,
    first_seq  bigint NOT NULL, -- where its journal entries are
    last_seq   bigint NOT NULL, -- 0 while it goes on
    ended      boolean NOT NULL,
    blobs      text[] COLLATE "C" NOT NULL, -- digests of all that it refers to
    record     bytea NOT NULL,
    PRIMARY KEY (deployment, id)
);

CREATE TABLE {}.journal (
    deployment bigint NOT NULL,
    seq        bigint NOT NULL,
    committed  bigint NOT NULL, -- when
    record     bytea NOT NULL,
    PRIMARY KEY (deployment, seq)
);

CREATE TABLE {}.logs (
    deployment bigint NOT NULL,
    seq        bigint NOT NULL,
    committed  bigint NOT NULL,
    run        text COLLATE "C" NOT NULL,
    operation  text COLLATE "C" NOT NULL,
    record     bytea NOT NULL,
    PRIMARY KEY (deployment, seq)
);
CREATE INDEX logs_of_operation ON {}.logs (deployment, operation, seq);
CREATE INDEX logs_of_run ON {}.logs (deployment, run);

CREATE TABLE {}.signals (
    deployment bigint NOT NULL,
    seq        bigint NOT NULL,
    committed  bigint NOT NULL,
    run        text COLLATE "C" NOT NULL,
    record     bytea NOT NULL,
    PRIMARY KEY (deployment, seq)
);

CREATE TABLE {}.blobs (
    digest text COLLATE "C" PRIMARY KEY,
    number bigint NOT NULL,
    size   bigint NOT NULL,
    put    bigint NOT NULL -- when last
);

-- Chunks of 1 MiB, the last of a blob shorter. Archives are compressed already.
CREATE TABLE {}.chunks (
    number  bigint NOT NULL,
    index   bigint NOT NULL, -- from 0
    content bytea NOT NULL,
    PRIMARY KEY (number, index)
);
ALTER TABLE {}.chunks ALTER COLUMN content SET STORAGE EXTERNAL;

-- The numbers of blobs and deployments that are not complete.
CREATE TABLE {}.unfinished (
    number  bigint PRIMARY KEY,
    touched bigint NOT NULL -- when the last part came
);
