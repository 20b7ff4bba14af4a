//! What a new site has to show: the goods of a small shop for people who sit at a desk all day.

use sea_orm::{ActiveValue::Set, EntityTrait};
use steeple::{Db, Error, Result, clock};

use super::models::{category, product};

const CATEGORIES: [(&str, &str); 6] = [
    ("keyboards", "Keyboards"),
    ("pointing", "Mice and trackballs"),
    ("displays", "Displays"),
    ("audio", "Audio"),
    ("furniture", "Desks and chairs"),
    ("cables", "Cables and docks"),
];

/// SKU, category, price, stock, name, description.
type Listed = (&'static str, &'static str, &'static str, i64, &'static str, &'static str);

#[rustfmt::skip]
const PRODUCTS: [Listed; 24] = [
    ("KEY-TKL-BRN", "keyboards", "89.90", 64, "Tenkeyless keyboard, brown switches", "Aluminium top, hot-swappable switches, detachable USB-C cable. 87 keys, ANSI."),
    ("KEY-FUL-RED", "keyboards", "104.50", 31, "Full-size keyboard, red switches", "Linear switches, doubleshot keycaps, three-step feet. 104 keys, ANSI."),
    ("KEY-SPL-ERG", "keyboards", "249.00", 12, "Split ergonomic keyboard", "Two halves, tented up to 15 degrees, column-staggered, open firmware."),
    ("KEY-NUM-PAD", "keyboards", "39.95", 48, "Number pad", "For the keyboard that has none. USB-C, brown switches."),
    ("KEY-CAP-PBT", "keyboards", "54.00", 75, "Keycap set, PBT", "Dye-sublimated legends that do not wear off. Fits ANSI and ISO."),
    ("PTR-MSE-WLS", "pointing", "59.99", 120, "Wireless mouse", "Six buttons, 70 days on one charge, 2.4 GHz and Bluetooth."),
    ("PTR-MSE-VRT", "pointing", "72.00", 27, "Vertical mouse", "Holds the hand as in a handshake. Right-handed, wired."),
    ("PTR-TRK-BAL", "pointing", "99.00", 18, "Trackball", "A 44 mm ball under the fingers, ruby bearings, four programmable buttons."),
    ("PTR-MAT-XXL", "pointing", "24.90", 200, "Desk mat, 90 × 40 cm", "Washable cloth on natural rubber, stitched edge."),
    ("DSP-27-4K", "displays", "429.00", 22, "27\" display, 4K", "IPS, 99 % sRGB, USB-C with 90 W, height-adjustable stand."),
    ("DSP-34-UWD", "displays", "689.00", 9, "34\" ultrawide display", "3440 × 1440, 120 Hz, curved, two inputs side by side."),
    ("DSP-16-PRT", "displays", "199.00", 35, "16\" portable display", "Full HD over a single USB-C cable, 760 g, with a cover that stands."),
    ("DSP-ARM-ONE", "displays", "118.40", 41, "Display arm", "Gas spring, up to 9 kg, clamp for desks of 10 to 80 mm."),
    ("AUD-HPH-OVR", "audio", "179.00", 44, "Over-ear headphones", "Closed, noise cancelling, 35 hours, replaceable pads and battery."),
    ("AUD-MIC-USB", "audio", "129.00", 16, "USB microphone", "Cardioid condenser, headphone jack without delay, mute that can be felt."),
    ("AUD-SPK-DSK", "audio", "149.50", 3, "Desktop speakers", "A pair of 60 W, Bluetooth and line in, 12 cm wide."),
    ("AUD-CAM-2K", "audio", "89.00", 0, "Webcam, 2K", "Autofocus, shutter, two microphones. Back in a few weeks."),
    ("FUR-DSK-STD", "furniture", "549.00", 14, "Standing desk, 160 × 80 cm", "Two motors, 62 to 127 cm, four heights remembered. Oak veneer."),
    ("FUR-CHR-MSH", "furniture", "389.00", 11, "Office chair, mesh", "Lumbar support, arm rests in four directions, twelve years of spare parts."),
    ("FUR-LMP-LED", "furniture", "64.90", 58, "Desk lamp", "LED, 2700 to 6500 K, Ra 95, remembers the last setting."),
    ("CAB-USC-2M", "cables", "14.90", 500, "USB-C cable, 2 m", "40 Gbit/s, 240 W, braided."),
    ("CAB-HDM-2M", "cables", "12.50", 320, "HDMI cable, 2 m", "Ultra high speed, 4K at 120 Hz."),
    ("CAB-DCK-TB4", "cables", "279.00", 19, "Thunderbolt dock", "Two displays, 2.5 Gbit/s Ethernet, 96 W, eleven ports."),
    ("CAB-HUB-USB", "cables", "49.00", 0, "USB hub, 7 ports", "With its own power supply. Replaced by the dock."),
];

/// Is in the list and not sold any more.
const WITHDRAWN: &str = "CAB-HUB-USB";

/// Puts the categories and the products into empty tables: all of them, or none.
pub async fn fill(db: Db) -> Result<()> {
    db.transaction(async |db: Db| {
        let categories = CATEGORIES.map(|(slug, name)| category::ActiveModel {
            slug: Set(slug.to_owned()),
            name: Set(name.to_owned()),
            ..Default::default()
        });
        category::Entity::insert_many(categories).exec(&db).await?;

        let now = clock::now();
        let categories = category::Entity::find().all(&db).await?;
        let mut products = Vec::with_capacity(PRODUCTS.len());
        for (sku, slug, price, stock, name, description) in PRODUCTS {
            let category = categories.iter().find(|category| category.slug == slug);
            let price = price.parse();
            products.push(product::ActiveModel {
                sku: Set(sku.to_owned()),
                name: Set(name.to_owned()),
                description: Set(description.to_owned()),
                category_id: Set(category.ok_or_else(|| Error::not_found("category", slug))?.id),
                price_usd: Set(price.map_err(|cause| Error::internal("the demo data is wrong").because(cause))?),
                stock: Set(stock),
                withdrawn: Set(sku == WITHDRAWN),
                created_at: Set(now),
                updated_at: Set(now),
                ..Default::default()
            });
        }
        product::Entity::insert_many(products).exec(&db).await?;
        Ok(())
    })
    .await
}
