-- Every step of a parcel's journey. Run once in the database that ${ERP_URL} names.
CREATE TABLE IF NOT EXISTS package_status (
    id             bigserial   PRIMARY KEY,
    package_id     integer     NOT NULL,
    customer_id    integer     NOT NULL,
    actual_address text,
    next_address   text,
    status         text        NOT NULL,
    updated_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
