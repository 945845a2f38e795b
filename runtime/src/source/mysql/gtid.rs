//! Global transaction ids: MySQL's executed set, MariaDB's position per domain.
