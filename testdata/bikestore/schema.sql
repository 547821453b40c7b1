-- The tables of a bike shop: who makes what, who sells it where, who bought it.
CREATE SCHEMA store;

CREATE TABLE store.brands (
    brand_id   serial PRIMARY KEY,
    brand_name varchar(255) NOT NULL
);

CREATE TABLE store.categories (
    category_id   serial PRIMARY KEY,
    category_name varchar(255) NOT NULL
);

CREATE TABLE store.products (
    product_id   serial PRIMARY KEY,
    product_name varchar(255) NOT NULL,
    brand_id     int NOT NULL REFERENCES store.brands ON DELETE CASCADE,
    category_id  int NOT NULL REFERENCES store.categories ON DELETE CASCADE,
    model_year   smallint NOT NULL,
    list_price   decimal(10, 2) NOT NULL,
    weight_kg    real,
    discontinued boolean NOT NULL DEFAULT false,
    specs        jsonb,
    description  text,
    updated_at   timestamptz NOT NULL DEFAULT now()
);
-- Long descriptions are kept out of the row as they are: an update of the price does not carry them, and logical decoding then
-- reports the column as unchanged instead of giving its value.
ALTER TABLE store.products ALTER COLUMN description SET STORAGE EXTERNAL;

CREATE TABLE store.customers (
    customer_id   serial PRIMARY KEY,
    first_name    varchar(255) NOT NULL,
    last_name     varchar(255) NOT NULL,
    phone         varchar(25),
    email         varchar(255) NOT NULL,
    street        varchar(255),
    city          varchar(50),
    state         varchar(25),
    zip_code      varchar(5),
    newsletter    boolean NOT NULL DEFAULT false,
    registered_at timestamp NOT NULL DEFAULT localtimestamp
);

CREATE TABLE store.stores (
    store_id   serial PRIMARY KEY,
    store_name varchar(255) NOT NULL,
    phone      varchar(25),
    email      varchar(255),
    street     varchar(255),
    city       varchar(255),
    state      varchar(10),
    zip_code   varchar(5),
    opens_at   time NOT NULL DEFAULT '09:00'
);

CREATE TABLE store.staffs (
    staff_id   serial PRIMARY KEY,
    first_name varchar(50) NOT NULL,
    last_name  varchar(50) NOT NULL,
    email      varchar(255) NOT NULL UNIQUE,
    phone      varchar(25),
    active     boolean NOT NULL DEFAULT true,
    store_id   int NOT NULL REFERENCES store.stores ON DELETE CASCADE,
    manager_id int REFERENCES store.staffs
);

CREATE TABLE store.orders (
    order_id      serial PRIMARY KEY,
    order_ref     uuid NOT NULL,
    customer_id   int REFERENCES store.customers ON DELETE CASCADE,
    order_status  smallint NOT NULL, -- 1 pending, 2 processing, 3 rejected, 4 completed
    order_date    date NOT NULL,
    required_date date NOT NULL,
    shipped_date  date,
    store_id      int NOT NULL REFERENCES store.stores ON DELETE CASCADE,
    staff_id      int NOT NULL REFERENCES store.staffs,
    note          text,
    placed_at     timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE store.order_items (
    order_id   int REFERENCES store.orders ON DELETE CASCADE,
    item_id    int,
    product_id int NOT NULL REFERENCES store.products ON DELETE CASCADE,
    quantity   int NOT NULL,
    list_price decimal(10, 2) NOT NULL,
    discount   decimal(4, 2) NOT NULL DEFAULT 0,
    PRIMARY KEY (order_id, item_id)
);

CREATE TABLE store.stocks (
    store_id   int REFERENCES store.stores ON DELETE CASCADE,
    product_id int REFERENCES store.products ON DELETE CASCADE,
    quantity   int,
    PRIMARY KEY (store_id, product_id)
);
