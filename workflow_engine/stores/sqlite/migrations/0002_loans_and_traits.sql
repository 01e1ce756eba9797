CREATE TABLE loans (
    lender INTEGER NOT NULL,
    borrower INTEGER NOT NULL,
    PRIMARY KEY (lender, borrower)
) WITHOUT ROWID;
CREATE TABLE traits (
    name TEXT PRIMARY KEY,
    text TEXT NOT NULL
) WITHOUT ROWID;
