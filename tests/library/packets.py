"""Sidecars in the forms in which programs write them, for the tests of merging."""

from nima_pretrain.library.xmp import RDF, XMP

_RDF = f'xmlns:rdf="{RDF}"'
_XMP = f'xmlns:xmp="{XMP}"'

DARKTABLE = f"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF {_RDF}>
  <rdf:Description rdf:about=""
    xmlns:exif="http://ns.adobe.com/exif/1.0/"
    {_XMP}
    xmlns:darktable="http://darktable.sf.net/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
   exif:DateTimeOriginal="2023:06:11 18:04:31.120"
   xmp:Rating="0"
   darktable:import_timestamp="63823108271000000"
   darktable:xmp_version="5"
   darktable:raw_params="0"
   darktable:auto_presets_applied="1"
   darktable:history_end="2">
   <darktable:masks_history>
    <rdf:Seq/>
   </darktable:masks_history>
   <darktable:history>
    <rdf:Seq>
     <rdf:li
      darktable:num="0"
      darktable:operation="exposure"
      darktable:enabled="1"
      darktable:modversion="6"
      darktable:params="00000000000080b90000003f00004842000080c00100000000000000"
      darktable:blendop_params="gz11eJxjYIAACQYYOOHEgAZY0QVwggZ7CB6pfNoAAEkgGQQ="/>
     <rdf:li
      darktable:num="1"
      darktable:operation="flip"
      darktable:enabled="1"
      darktable:params="ffffffff"/>
    </rdf:Seq>
   </darktable:history>
   <dc:subject>
    <rdf:Bag>
     <rdf:li>Zürich &amp; See</rdf:li>
    </rdf:Bag>
   </dc:subject>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""

LIGHTROOM = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 7.0-c000 1.000000">
 <rdf:RDF {_RDF}>
  <rdf:Description rdf:about=""
    {_XMP}
    xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
    xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
    xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
    xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
    xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/"
   xmp:ModifyDate="2022-08-14T10:21:44.25"
   xmp:CreatorTool="Adobe Lightroom Classic"
   tiff:Orientation="8"
   photoshop:SidecarForExtension="CR3"
   crs:Exposure2012="+0.35"
   crs:ToneCurveName2012="Linear">
   <xmpMM:History>
    <rdf:Seq>
     <rdf:li
      stEvt:action="saved"
      stEvt:changed="/metadata"/>
    </rdf:Seq>
   </xmpMM:History>
   <crs:ToneCurvePV2012>
    <rdf:Seq>
     <rdf:li>0, 0</rdf:li>
     <rdf:li>255, 255</rdf:li>
    </rdf:Seq>
   </crs:ToneCurvePV2012>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""

DIGIKAM = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF {_RDF}>
  <rdf:Description rdf:about=""
    {_XMP}
    xmlns:MicrosoftPhoto="http://ns.microsoft.com/photo/1.0/"
    xmlns:digiKam="http://www.digikam.org/ns/1.0/"
    xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"
    xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#"
   xmp:Rating="0"
   MicrosoftPhoto:Rating="0"
   digiKam:PickLabel="0">
   <digiKam:TagsList>
    <rdf:Seq>
     <rdf:li>People/Anna</rdf:li>
    </rdf:Seq>
   </digiKam:TagsList>
   <mwg-rs:Regions rdf:parseType="Resource">
    <mwg-rs:RegionList>
     <rdf:Bag>
      <rdf:li rdf:parseType="Resource">
       <mwg-rs:Name>Anna</mwg-rs:Name>
       <mwg-rs:Area stArea:x="0.5" stArea:y="0.25" stArea:w="0.1" stArea:h="0.1"/>
      </rdf:li>
     </rdf:Bag>
    </mwg-rs:RegionList>
   </mwg-rs:Regions>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""

EXIFTOOL = f"""<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?>
<x:xmpmeta xmlns:x='adobe:ns:meta/' x:xmptk='Image::ExifTool 12.57'>
<rdf:RDF xmlns:rdf='{RDF}'>

 <rdf:Description rdf:about=''
  xmlns:dc='http://purl.org/dc/elements/1.1/'>
  <dc:description>
   <rdf:Alt>
    <rdf:li xml:lang='x-default'>Five &gt; four, "quoted"</rdf:li>
   </rdf:Alt>
  </dc:description>
 </rdf:Description>

 <rdf:Description rdf:about=''
  xmlns:xmp='{XMP}'>
  <xmp:Label>Green</xmp:Label>
  <xmp:Rating>0</xmp:Rating>
 </rdf:Description>
</rdf:RDF>
</x:xmpmeta>
{(" " * 99 + chr(10)) * 5}<?xpacket end='w'?>"""

PHOTO_MECHANIC = f"""<?xml version="1.0"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP toolkit">
 <rdf:RDF {_RDF}>
  <rdf:Description rdf:about="uuid:4f2c"
    xmlns:photomechanic="http://ns.camerabits.com/photomechanic/1.0/"
    xmlns:xap="{XMP}">
   <photomechanic:ColorClass>2</photomechanic:ColorClass>
   <photomechanic:Prefs>0:2:0:000123</photomechanic:Prefs>
   <xap:Rating></xap:Rating>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
""".replace("\n", "\r\n")

CAPTURE_ONE = f"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 5.5.0">
 <rdf:RDF {_RDF}>
  <rdf:Description rdf:about=""
    xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/">
   <photoshop:City>Łódź</photoshop:City>
  </rdf:Description>
  <rdf:Description rdf:about=""
    xmlns:Iptc4xmpCore="http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/">
   <Iptc4xmpCore:CreatorContactInfo rdf:parseType="Resource">
    <Iptc4xmpCore:CiUrlWork>https://example.org/?a=1&amp;b=2</Iptc4xmpCore:CiUrlWork>
   </Iptc4xmpCore:CreatorContactInfo>
  </rdf:Description>
  <rdf:Description rdf:about=""
    {_XMP}>
   <xmp:Label>Red</xmp:Label>
   <xmp:Rating/>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""

ACDSEE = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d" ?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0">
 <rdf:RDF {_RDF}>
  <rdf:Description rdf:about="" xmlns:acdsee="http://ns.acdsee.com/iptc/1.0/">
   <acdsee:rating>0</acdsee:rating>
   <acdsee:categories>&lt;Category Assigned="1"&gt;Sea&lt;/Category&gt;</acdsee:categories>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""

ONE_LINE = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    f'<rdf:RDF {_RDF}><rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/">'
    "<dc:subject><rdf:Bag><rdf:li>sea</rdf:li></rdf:Bag></dc:subject>"
    "</rdf:Description></rdf:RDF></x:xmpmeta>"
)

UNKNOWN_NAMESPACES = f"""<?xml version="1.0" encoding="utf-8" standalone="yes"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <!-- <xmp:Rating>5</xmp:Rating> is not here -->
 <rdf:RDF {_RDF}>
  <rdf:Description rdf:about='' xmlns:a="http://example.org/a#" xmlns:b="http://example.org/b/"
      a:formula='"2" &lt; 3 &amp; 4' b:Rating = "3"
      a:lines="one&#xA;two"   >
   <a:note><![CDATA[<xmp:Rating>4</xmp:Rating> in <i>text</i>]]></a:note>
   <?program <xmp:Rating>3</xmp:Rating>?>
   <b:empty/>
   <b:tree rdf:parseType="Resource"><b:leaf>\U0001f305 日本</b:leaf></b:tree>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""

NESTED = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF {_RDF}>
  <rdf:Description rdf:about="" xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
    xmlns:pantry="http://example.org/pantry/">
   <xmpMM:Pantry>
    <rdf:Bag>
     <rdf:li>
      <rdf:Description {_XMP} xmp:Rating="2" pantry:kind="ingredient"/>
     </rdf:li>
     <rdf:li rdf:parseType="Resource" {_XMP}><xmp:Rating>1</xmp:Rating></rdf:li>
    </rdf:Bag>
   </xmpMM:Pantry>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""

TAKEN_PREFIXES = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/" xmlns:xmp="http://example.org/other/">
 <r:RDF xmlns:r="{RDF}" xmlns:nima="http://example.org/nima/" xmlns:xmp1="http://example.org/1/">
  <r:Description r:about="" xmp:Rating="5" nima:Rating="6" xmp1:title="one"/>
 </r:RDF>
</x:xmpmeta>
"""

TWO_RATINGS = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF {_RDF} {_XMP}>
  <rdf:Description rdf:about="" xmp:CreateDate="2020-01-02T03:04:05" xmp:Rating='0'/>
  <rdf:Description rdf:about="" xmlns:aux="http://ns.adobe.com/exif/1.0/aux/" aux:Lens="50 mm">
   <xmp:Rating rdf:datatype="http://www.w3.org/2001/XMLSchema#integer"
   >0</xmp:Rating >
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""

EMPTY = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {_RDF}/></x:xmpmeta>'
EMPTY_WITH_END = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {_RDF}></rdf:RDF></x:xmpmeta>'
RDF_ALONE = f"""<rdf:RDF {_RDF} {_XMP}><rdf:Description rdf:about="" xmp:Label="Red"/></rdf:RDF>"""
GREATER_THAN = LIGHTROOM.replace('crs:Exposure2012="+0.35"', "crs:Formula='1 > 0'")
TYPED_NODE = f"""<rdf:RDF {_RDF} xmlns:a="http://example.org/a#">
<a:Photo rdf:about="" a:title="typed"/></rdf:RDF>"""

# No program has rated the photo in any of these: there is no rating, an empty one, or 0.
PACKETS = {
    "darktable": DARKTABLE.encode(),
    "Lightroom": LIGHTROOM.encode(),
    "digiKam": DIGIKAM.encode(),
    "exiftool": EXIFTOOL.encode(),
    "Photo Mechanic": PHOTO_MECHANIC.encode(),
    "Capture One": CAPTURE_ONE.encode(),
    "ACDSee": ACDSEE.encode(),
    "one line": ONE_LINE.encode(),
    "unknown namespaces": UNKNOWN_NAMESPACES.encode(),
    "nested ratings": NESTED.encode(),
    "taken prefixes": TAKEN_PREFIXES.encode(),
    "two ratings": TWO_RATINGS.encode(),
    "empty": EMPTY.encode(),
    "empty with an end tag": EMPTY_WITH_END.encode(),
    "rdf:RDF alone": RDF_ALONE.encode(),
    "a greater-than sign": GREATER_THAN.encode(),
    "a typed node": TYPED_NODE.encode(),
    "with a byte order mark": b"\xef\xbb\xbf" + LIGHTROOM.encode(),
    "UTF-16": DARKTABLE.replace("UTF-8", "UTF-16").encode("utf-16"),
    "UTF-16, big-endian": b"\xfe\xff"
    + UNKNOWN_NAMESPACES.replace("utf-8", "utf-16").encode("utf-16-be"),
}
