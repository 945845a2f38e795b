CREATE TABLE items (
    id    BIGINT PRIMARY KEY,
    name  VARCHAR(80) NOT NULL,
    price DECIMAL(10, 2) NOT NULL,
    stock BIGINT NOT NULL
);
