"""A building file in which everything stands that one can say, and a small one."""

ENVIRONMENT = {"INTERCOM_SECRET_CARRIER": "carrier-password"}

SMALL = """
[property]
id = "storgata"
name = "Storgata 14"
kind = "residential"
address = "Storgata 14, Oslo"

[[door]]
id = "main"
name = "Main entrance"
relay = { driver = "panel-link", panel = "main" }

[[panel]]
id = "main"
door = "main"
password = "panel-password"
buttons = { "1" = "hansen", "2" = "berg" }

[[doorbell]]
id = "hansen"
name = "Hansen"
residents = ["kari", "ola"]

[[doorbell]]
id = "berg"
name = "Berg"
residents = ["berg"]

[[resident]]
username = "kari"
name = "Kari Hansen"
password_hash = "$argon2id$v=19$m=65536,t=3,p=4$Cp1L84zzyM2r4q57mLYwJA$iSyyeATn0u82txlHgiYRgdJ6YQyFMESiFWdhtN8g7Xk"
number = "900 12 345"

[[resident]]
username = "ola"
name = "Ola Hansen"
app = false
number = "+4790012346"

[[resident]]
username = "berg"
name = "Bodil Berg"
app = false
sip_phones = ["sip:desk@192.0.2.7:5060"]

[[trunk]]
id = "carrier"
address = "sip.example.net:5060"
username = "123456"
password_env = "INTERCOM_SECRET_CARRIER"
caller_ids = ["+4723506953"]
"""

WHOLE = """
[property]
id = "torget"
name = "Torget 1 \\"Bryggen\\""
kind = "commercial"
address = "Torget 1, Bergen"
language = "nn"
time_zone = "Europe/Stockholm"
open_keys = ["5", "8"]
keys_in_app = true
contact_email = "vakt@example.org"
log_days = 30
quiet = [
  { days = ["sat", "sun"], from = "22:00", to = "08:30" },
  { from = "23:00", to = "24:00", mode = "phone-only" },
]

[[unit]]
name = "1. etasje"
owners = ["eier"]
residents = ["kari", "ola"]
stations = ["tavle"]
activated_on = 2026-11-01

[[unit]]
name = "2. etasje"
residents = ["siri"]

[[unit]]
name = "Ledig"

[[door]]
id = "t-main"
name = "Main entrance"
pulse_ms = 1500
relay = { driver = "panel-link", panel = "t-main", relay = 2 }

[[door]]
id = "t-own"
name = "Own door"
unit = "2. etasje"

[door.relay]
driver = "http"
url = "https://192.0.2.9/open?door=1"
authentication = "digest"
username = "x"
password = "relay \\"pass\\" \\\\ æøå"

[[panel]]
id = "t-main"
door = "t-main"
make = "open-intercom"
password = "panel-password"

[panel.buttons]
"101" = "first"
"102" = "second/siri"
"103" = "second/kari"
"104" = "third/ola"
"*1" = "fourth"

[[panel]]
id = "t-own"
door = "t-own"
make = "2n"
allowed_addresses = ["192.0.2.20"]
profile = { early = "snapshot", ring_limit_s = 120.0, registers = false }
snapshot = { host = "192.0.2.20", username = "u", password = "p" }
buttons = {}

[[doorbell]]
id = "first"
name = "Advokat"
unit = "1. etasje"
layout = "sequential"
residents = ["ola", "kari"]
step_s = 20.0
app_stage_s = 10.0
phone_stage_s = 15.0
quiet = [{ days = ["mon"], from = "12:00", to = "13:00" }]

[[doorbell]]
id = "second"
name = "Tannlege"
unit = "2. etasje"
layout = "grouped"
residents = ["siri", "kari"]
hidden_residents = ["kari"]

[[doorbell]]
id = "third"
name = "Frisør"
unit = "2. etasje"
layout = "individual"
residents = ["ola"]

[[doorbell]]
id = "fourth"
name = "Skjult"
unit = "1. etasje"
hidden = true
residents = ["kari"]

[[doorbell]]
id = "fifth"
name = "Ledig"
unit = "Ledig"
residents = []

[[resident]]
username = "kari"
name = "Kari Hansen"
password_hash = "$argon2id$v=19$m=65536,t=3,p=4$Cp1L84zzyM2r4q57mLYwJA$iSyyeATn0u82txlHgiYRgdJ6YQyFMESiFWdhtN8g7Xk"
number = "+4790012345"
number_verified_on = 2026-10-01
ring_way = "phone-then-app"
email = "kari@example.org"
language = "sv"

[[resident.sip_account]]
username = "kari-desk"
password = "desk-password"
srtp = "required"

[[resident]]
username = "ola"
name = "Ola Hansen"
number = "+4790012346"
language = "nb"

[[resident]]
username = "siri"
name = "Siri Åsen"
app = false
sip_phones = ["sip:desk@192.0.2.7:5060"]

[[resident]]
username = "eier"
name = "Eier AS"
language = "en"

[[resident]]
username = "tavle"
name = "Tavle 1. etasje"
language = "nb"

[[right]]
door = "t-own"
resident = "kari"
key = true
days = ["mon", "tue", "wed", "thu", "fri"]
from = "08:00"
to = "16:00"

[[right]]
door = "t-own"
resident = "kari"
days = ["sat"]
from = "10:00"
to = "12:00"

[[right]]
door = "t-main"
unit = "2. etasje"
may_open = false

[[trunk]]
id = "carrier"
address = "sip.example.net:5060"
register = true
username = "123456"
password_env = "INTERCOM_SECRET_CARRIER"
caller_ids = ["+4723506953"]
headers = { "X-Account" = "42" }
"""
