package transform

import (
	"slices"
	"strconv"
	"strings"
	"sync"
)

// zoneNames are the English names of time zones that java.text.SimpleDateFormat reads, and their minutes east of Greenwich. In Java a name stands for a place, whose
// offset may have been another one long ago; here it stands for the offset that the name has in our days. Of names that several places claim it is Java's choice.
const zoneNames = `
-660:American Samoa Daylight Time,American Samoa Standard Time,Niue Daylight Time,Niue Time,SST
-600:Cook Islands Standard Time,Cook Islands Summer Time,HAST,HDT,HST,Hawaii-Aleutian Daylight Time,Hawaii-Aleutian Standard Time
-600:Tahiti Daylight Time,Tahiti Time
-570:Marquesas Daylight Time,Marquesas Time
-540:AKST,Alaska Standard Time,Gambier Daylight Time,Gambier Time,HADT
-480:AKDT,Alaska Daylight Time,PST,Pacific Standard Time,Pitcairn Daylight Time,Pitcairn Time
-420:Dawson Daylight Time,MST,Mexican Pacific Daylight Time,Mexican Pacific Standard Time,Mountain Standard Time,PDT,Pacific Daylight Time
-420:Whitehorse Daylight Time,Yukon Time
-360:CST,Central Standard Time,Easter Island Standard Time,Galapagos Daylight Time,Galapagos Time,MDT,Mountain Daylight Time
-300:Acre Standard Time,Acre Summer Time,CDT,Central Daylight Time,Colombia Standard Time,Colombia Summer Time,Cuba Standard Time,EST
-300:Easter Island Summer Time,Eastern Standard Time,Ecuador Time,Guayaquil Daylight Time,Peru Standard Time,Peru Summer Time
-240:AST,Amazon Standard Time,Amazon Summer Time,Atlantic Standard Time,Bolivia Time,Caracas Daylight Time,Chile Standard Time,Coyhaique Standard Time
-240:Cuba Daylight Time,EDT,Eastern Daylight Time,Guyana Daylight Time,Guyana Time,La Paz Daylight Time,Paraguay Standard Time
-240:Venezuela Time
-210:NST,Newfoundland Standard Time
-180:ADT,Argentina Standard Time,Argentina Summer Time,Atlantic Daylight Time,Brasilia Standard Time,Brasilia Summer Time,Cayenne Daylight Time
-180:Chile Summer Time,Coyhaique Daylight Time,Falkland Islands Standard Time,Falkland Islands Summer Time,French Guiana Time
-180:Palmer Daylight Time,Palmer Standard Time,Paraguay Summer Time,Paramaribo Daylight Time,Punta Arenas Daylight Time,Punta Arenas Standard Time
-180:Rothera Daylight Time,Rothera Time,St. Pierre & Miquelon Standard Time,Suriname Time,Uruguay Standard Time,Uruguay Summer Time
-150:NDT,Newfoundland Daylight Time
-120:Fernando de Noronha Standard Time,Fernando de Noronha Summer Time,Greenland Standard Time,South Georgia Daylight Time
-120:South Georgia Time,St. Pierre & Miquelon Daylight Time
-60:Azores Standard Time,Cape Verde Standard Time,Cape Verde Summer Time,Greenland Summer Time
0:Abidjan Daylight Time,Accra Daylight Time,Azores Summer Time,Bamako Daylight Time,Banjul Daylight Time,Bissau Daylight Time,Casablanca Standard Time
0:Conakry Daylight Time,Coordinated Universal Time,Dakar Daylight Time,Danmarkshavn Daylight Time,El Aaiun Standard Time,Freetown Daylight Time,GMT
0:Greenwich Mean Time,Lome Daylight Time,Monrovia Daylight Time,Nouakchott Daylight Time,Ouagadougou Daylight Time,Reykjavik Daylight Time
0:St. Helena Daylight Time,São Tomé Daylight Time,UTC,WET,Western European Standard Time
60:BST,British Summer Time,CET,Casablanca Daylight Time,Central European Standard Time,El Aaiun Daylight Time,Irish Standard Time,WAT,WEST
60:West Africa Standard Time,Western European Summer Time
120:Blantyre Daylight Time,Bujumbura Daylight Time,CAT,CEST,Central Africa Time,Central European Summer Time,EET,Eastern European Standard Time
120:Famagusta Standard Time,Gaborone Daylight Time,Harare Daylight Time,IST,Israel Standard Time,Johannesburg Daylight Time
120:Juba Daylight Time,Khartoum Daylight Time,Kigali Daylight Time,Lubumbashi Daylight Time,Lusaka Daylight Time,Maputo Daylight Time
120:Maseru Daylight Time,Mbabane Daylight Time,SAST,South Africa Standard Time,Troll Daylight Time,West Africa Summer Time,Windhoek Daylight Time
180:Addis Ababa Daylight Time,Amman Daylight Time,Amman Standard Time,Antananarivo Daylight Time,Arabian Daylight Time,Arabian Standard Time
180:Asmara Daylight Time,Comoro Daylight Time,Damascus Daylight Time,Damascus Standard Time,Dar es Salaam Daylight Time,Djibouti Daylight Time,EAT
180:EEST,East Africa Time,Eastern European Summer Time,Famagusta Daylight Time,IDT,Israel Daylight Time,Istanbul Standard Time
180:Kampala Daylight Time,Kirov Daylight Time,Kirov Standard Time,MSK,Mayotte Daylight Time,Mogadishu Daylight Time,Moscow Standard Time
180:Moscow Summer Time,Nairobi Daylight Time,Syowa Daylight Time,Syowa Time,Volgograd Standard Time,Volgograd Summer Time
210:Iran Daylight Time,Iran Standard Time
240:Armenia Standard Time,Armenia Summer Time,Astrakhan Standard Time,Azerbaijan Standard Time,Azerbaijan Summer Time,Dubai Daylight Time
240:Georgia Standard Time,Georgia Summer Time,Gulf Standard Time,Mahe Daylight Time,Mauritius Standard Time,Mauritius Summer Time,Muscat Daylight Time
240:Réunion Daylight Time,Réunion Time,Samara Standard Time,Samara Summer Time,Saratov Daylight Time,Saratov Standard Time,Seychelles Time
240:Ulyanovsk Daylight Time,Ulyanovsk Standard Time
270:Afghanistan Time,Kabul Daylight Time
300:Aqtau Daylight Time,Aqtobe Daylight Time,Atyrau Daylight Time,Dushanbe Daylight Time,French Southern & Antarctic Time,Kazakhstan Time
300:Kerguelen Daylight Time,Maldives Daylight Time,Mawson Daylight Time,Mawson Time,Oral Daylight Time,PKST,PKT,Pakistan Standard Time
300:Pakistan Summer Time,Qyzylorda Daylight Time,Tajikistan Time,Turkmenistan Standard Time,Turkmenistan Summer Time,Uzbekistan Standard Time
300:Uzbekistan Summer Time,Vostok Daylight Time,Vostok Time,Yekaterinburg Standard Time,Yekaterinburg Summer Time
330:Colombo Daylight Time,India Standard Time,Kolkata Daylight Time
345:Kathmandu Daylight Time,Nepal Time
360:Almaty Daylight Time,Bangladesh Standard Time,Bangladesh Summer Time,Bhutan Time,Bishkek Daylight Time,Chagos Daylight Time
360:Indian Ocean Time,Kostanay Daylight Time,Kyrgyzstan Time,Omsk Standard Time,Omsk Summer Time,Thimphu Daylight Time,Urumqi Daylight Time
360:Urumqi Standard Time
390:Cocos Islands Daylight Time,Cocos Islands Time,Myanmar Time,Yangon Daylight Time
420:Bangkok Daylight Time,Barnaul Daylight Time,Barnaul Standard Time,Christmas Island Daylight Time,Christmas Island Time,Davis Daylight Time
420:Davis Time,Ho Chi Minh City Daylight Time,Hovd Standard Time,Hovd Summer Time,Indochina Time,Jakarta Daylight Time
420:Krasnoyarsk Standard Time,Krasnoyarsk Summer Time,Novosibirsk Standard Time,Novosibirsk Summer Time,Phnom Penh Daylight Time
420:Pontianak Daylight Time,Tomsk Daylight Time,Tomsk Standard Time,Vientiane Daylight Time,WIB,Western Indonesia Time
480:AWDT,AWST,Australian Western Daylight Time,Australian Western Standard Time,Brunei Daylight Time,Brunei Time,Central Indonesia Time
480:China Daylight Time,China Standard Time,HKST,HKT,Hong Kong Standard Time,Hong Kong Summer Time,Irkutsk Standard Time,Irkutsk Summer Time
480:Kuala Lumpur Daylight Time,Kuching Daylight Time,Makassar Daylight Time,Malaysia Time,Philippine Standard Time,Philippine Summer Time
480:Singapore Daylight Time,Singapore Standard Time,Taiwan Daylight Time,Taiwan Standard Time,Ulaanbaatar Standard Time,Ulaanbaatar Summer Time,WITA
525:Australian Central Western Daylight Time,Australian Central Western Standard Time
540:Dili Daylight Time,Eastern Indonesia Time,JDT,JST,Japan Daylight Time,Japan Standard Time,Jayapura Daylight Time,KST
540:Korean Daylight Time,Korean Standard Time,Palau Daylight Time,Palau Time,Timor-Leste Time,WIT,Yakutsk Standard Time,Yakutsk Summer Time
570:ACDT,ACST,Australian Central Daylight Time,Australian Central Standard Time
600:AEST,Australian Eastern Standard Time,ChST,Chamorro Standard Time,Chuuk Daylight Time,Chuuk Time,Dumont d’Urville Time
600:Dumont-d’Urville Daylight Time,Guam Daylight Time,Papua New Guinea Time,Port Moresby Daylight Time,Saipan Daylight Time
600:Vladivostok Standard Time,Vladivostok Summer Time
630:Lord Howe Standard Time
660:AEDT,Australian Eastern Daylight Time,Bougainville Daylight Time,Bougainville Standard Time,Guadalcanal Daylight Time
660:Kosrae Daylight Time,Kosrae Time,Lord Howe Daylight Time,Magadan Standard Time,Magadan Summer Time,New Caledonia Standard Time
660:New Caledonia Summer Time,Norfolk Island Standard Time,Pohnpei Daylight Time,Sakhalin Standard Time,Sakhalin Summer Time,Solomon Islands Time
660:Srednekolymsk Daylight Time,Srednekolymsk Standard Time,Vanuatu Standard Time,Vanuatu Summer Time
720:Anadyr Standard Time,Anadyr Summer Time,Fiji Standard Time,Fiji Summer Time,Funafuti Daylight Time,Gilbert Islands Time
720:Kamchatka Standard Time,Kamchatka Summer Time,Kwajalein Daylight Time,Majuro Daylight Time,Marshall Islands Time,NZST,Nauru Daylight Time
720:Nauru Time,New Zealand Standard Time,Norfolk Island Daylight Time,Tarawa Daylight Time,Tuvalu Time,Wake Island Daylight Time,Wake Island Time
720:Wallis Daylight Time
765:Chatham Standard Time
780:Enderbury Daylight Time,Fakaofo Daylight Time,NZDT,New Zealand Daylight Time,Phoenix Islands Time,Samoa Daylight Time
780:Samoa Standard Time,Tokelau Time,Tonga Standard Time,Tonga Summer Time
825:Chatham Daylight Time
840:Kiritimati Daylight Time,Line Islands Time
`

// zoneName is a name and its offset.
type zoneName struct {
	name    string
	minutes int64
}

// zones are the names, the longest first.
var zones = sync.OnceValue(func() (all []zoneName) {
	for line := range strings.Lines(zoneNames) {
		offset, names, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			continue
		}
		minutes, _ := strconv.ParseInt(offset, 10, 64) // a test holds the table
		for name := range strings.SplitSeq(names, ",") {
			all = append(all, zoneName{name, minutes})
		}
	}
	slices.SortStableFunc(all, func(a, b zoneName) int { return len(b.name) - len(a.name) })
	return all
})

// zoneNamed finds the longest name that a text begins with, in any case.
func zoneNamed(text string) (name string, minutes int64, ok bool) {
	for _, z := range zones() {
		if len(text) >= len(z.name) && strings.EqualFold(text[:len(z.name)], z.name) {
			return text[:len(z.name)], z.minutes, true
		}
	}
	return "", 0, false
}
