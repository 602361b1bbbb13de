"""Small files in the structure in which annotation tools write theirs."""

EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2026-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0">
  <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
    <MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/Users/a%20b/talk.mkv" MIME_TYPE="video/x-matroska"
      RELATIVE_MEDIA_URL="./talk.mkv" TIME_ORIGIN="1000"/>
  </HEADER>
  <TIME_ORDER>
    <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="0"/><TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="1500"/>
    <TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="3000"/><TIME_SLOT TIME_SLOT_ID="ts4"/>
  </TIME_ORDER>
  <TIER LINGUISTIC_TYPE_REF="gesture" PARTICIPANT="ann" TIER_ID="ann-gesture">
    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
      <ANNOTATION_VALUE>wave</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3">
      <ANNOTATION_VALUE>point</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a3" TIME_SLOT_REF1="ts3" TIME_SLOT_REF2="ts4">
      <ANNOTATION_VALUE>not aligned</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
  </TIER>
  <TIER LINGUISTIC_TYPE_REF="hand" PARENT_REF="ann-gesture" PARTICIPANT="ann" TIER_ID="ann-hand">
    <ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a4" ANNOTATION_REF="a2">
      <ANNOTATION_VALUE>left</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
  </TIER>
  <TIER LINGUISTIC_TYPE_REF="gesture" PARTICIPANT="bob" TIER_ID="bob-gesture"/>
</ANNOTATION_DOCUMENT>
"""


def task(*results, data=None, **more):
    return {
        "id": 1,
        "data": data or {"video": "/data/upload/1/0a1b2c3d-talk.mkv", "patient": "p7"},
        "annotations": [{"was_cancelled": True, "result": []}, {"completed_by": 3, "result": list(results)}],
    } | more


def timeline(start, end, *labels):
    value = {"ranges": [{"start": start, "end": end}], "timelinelabels": list(labels)}
    return {"type": "timelinelabels", "from_name": "label", "to_name": "video", "value": value}


def box(frame, action, left=2, outside=0):
    return (
        f'<box frame="{frame}" outside="{outside}" occluded="0" keyframe="1" xtl="{left}" ytl="4" xbr="{left + 10}" '
        f'ybr="20" z_order="0"><attribute name="action">{action}</attribute><attribute name="id">7</attribute></box>'
    )


def cvat_xml(tracks):
    return (
        '<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version><meta><task><name>t</name>'
        f"<source>talk.mkv</source></task></meta>{tracks}</annotations>"
    )
