// How a call ended, in words for a person.

import { t } from "./i18n.js";

/** The icon, title and second line for an end. */
export function outcomeOf({ reason, text, isMissed }) {
  switch (reason) {
    case "answered elsewhere":
      return outcome("phone-forwarded", text ? t("end.answered_by", { who: text }) : t("end.answered_elsewhere"));
    case "opened elsewhere":
      return outcome("door-open", text ? t("end.opened_by", { who: text }) : t("end.opened_elsewhere"));
    case "door opened":
      return outcome("door-open", t("end.door_opened"));
    case "time limit":
      return outcome("clock", t("end.time_limit"));
    case "fault":
      return outcome("triangle-alert", t("end.fault"), t("end.fault_sub"));
    case "shutting down":
      return outcome("rotate-cw", t("end.shutting_down"));
    case "lost":
      return outcome("wifi-off", t("end.lost"), t("end.lost_sub"));
    case "left doorbell":
      return outcome("log-out", t("end.left_doorbell"));
    case "too many calls":
      return outcome("phone-missed", t("end.missed"), t("end.too_many_calls"));
    case "visitor left":
    case "other button":
      return isMissed ? outcome("phone-missed", t("end.missed"), t("end.visitor_left")) : outcome("phone-off", t("end.visitor_left"));
    default:
      return isMissed ? outcome("phone-missed", t("end.missed"), t("end.nobody_answered")) : outcome("phone-off", t("end.hung_up"));
  }
}

function outcome(icon, title, sub = "") {
  return { icon, title, sub };
}
