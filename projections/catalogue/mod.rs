//! What is on sale, and what was.

pub mod query;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use aggregates::{Event, ProductContent, ProductEvent, ProductId};
use async_trait::async_trait;
use serde_json::Value;
use sqlx::PgConnection;

use crate::rows::{json, text};
use crate::{Fact, Projection, Unfit};

#[derive(Default)]
pub struct Catalogue {
    rows: HashMap<ProductId, Product>,
}

/// What becomes of a product's row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Product {
    content: Option<Content>,
    on_sale: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Content {
    code: Option<String>,
    name: String,
    description: String,
    prices: Value,
    sort_order: i32,
    kind: Value,
}

#[async_trait]
impl Projection for Catalogue {
    fn name(&self) -> &'static str {
        "catalogue"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["products"]
    }

    fn fold(&mut self, fact: &Fact<'_>) -> Result<(), Unfit> {
        let Event::Product(event) = fact.event else { return Ok(()) };
        let row = self.rows.entry(ProductId::from_uuid(fact.aggregate.id)).or_default();
        match event {
            ProductEvent::Created(content) => {
                row.content = Some(Content::of(content)?);
                row.on_sale = Some(true);
            }
            ProductEvent::Changed(content) => row.content = Some(Content::of(content)?),
            ProductEvent::TakenOffSale(_) => row.on_sale = Some(false),
            ProductEvent::PutOnSale(_) => row.on_sale = Some(true),
        }
        Ok(())
    }

    async fn write(&mut self, tx: &mut PgConnection) -> Result<(), sqlx::Error> {
        let mut rows: Vec<_> = self.rows.drain().collect();
        rows.sort_unstable_by_key(|(product, _)| *product);
        let (described, switched): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(_, row)| row.content.is_some());
        upsert(tx, &described).await?;
        switch(tx, &switched).await
    }

    fn forget(&mut self) {
        *self = Self::default();
    }
}

impl Content {
    fn of(content: &ProductContent) -> Result<Self, Unfit> {
        Ok(Self {
            code: content.code.as_ref().map(ToString::to_string),
            name: text(&content.name),
            description: text(&content.description),
            prices: json(&content.prices)?,
            sort_order: content.sort_order,
            kind: json(&content.kind)?,
        })
    }
}

async fn upsert(tx: &mut PgConnection, rows: &[(ProductId, Product)]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let content: Vec<&Content> = rows.iter().filter_map(|(_, row)| row.content.as_ref()).collect();
    sqlx::query(
        "INSERT INTO products AS p (product, number, name, description, prices, sort_order, kind, on_sale, code)
         SELECT n.product, n.number, n.name, n.description, n.prices, n.sort_order, n.kind, coalesce(n.on_sale, true),
                n.code
           FROM unnest($1::uuid[], $2::int8[], $3::text[], $4::text[], $5::jsonb[], $6::int4[], $7::jsonb[], $8::bool[],
                       $9::text[]) AS n (product, number, name, description, prices, sort_order, kind, on_sale, code)
             ON CONFLICT (product) DO UPDATE
            SET code = excluded.code, name = excluded.name, description = excluded.description, prices = excluded.prices,
                sort_order = excluded.sort_order, kind = excluded.kind",
    )
    .bind(rows.iter().map(|(product, _)| product.uuid()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(product, _)| product.number().map(i64::from)).collect::<Vec<_>>())
    .bind(content.iter().map(|content| content.name.as_str()).collect::<Vec<_>>())
    .bind(content.iter().map(|content| content.description.as_str()).collect::<Vec<_>>())
    .bind(content.iter().map(|content| &content.prices).collect::<Vec<_>>())
    .bind(content.iter().map(|content| content.sort_order).collect::<Vec<_>>())
    .bind(content.iter().map(|content| &content.kind).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.on_sale).collect::<Vec<_>>())
    .bind(content.iter().map(|content| content.code.as_deref()).collect::<Vec<_>>())
    .execute(&mut *tx)
    .await?;
    // One that was known before keeps what it is, unless this batch says otherwise.
    switch(tx, rows).await
}

async fn switch(tx: &mut PgConnection, rows: &[(ProductId, Product)]) -> Result<(), sqlx::Error> {
    let switched: Vec<_> = rows.iter().filter_map(|(product, row)| Some((product.uuid(), row.on_sale?))).collect();
    if switched.is_empty() {
        return Ok(());
    }
    let (products, on_sale): (Vec<_>, Vec<_>) = switched.into_iter().unzip();
    sqlx::query(
        "UPDATE products p SET on_sale = n.on_sale FROM unnest($1::uuid[], $2::bool[]) AS n (product, on_sale)
          WHERE p.product = n.product AND p.on_sale <> n.on_sale",
    )
    .bind(&products)
    .bind(&on_sale)
    .execute(tx)
    .await?;
    Ok(())
}
