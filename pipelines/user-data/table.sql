CREATE TABLE users (
    id            BIGINT AUTO_INCREMENT PRIMARY KEY,
    name          VARCHAR(80) NOT NULL,
    email_address VARCHAR(120) NOT NULL,
    address       VARCHAR(200) NOT NULL,
    phone         VARCHAR(40) NOT NULL,
    note          VARCHAR(200) NOT NULL
);
