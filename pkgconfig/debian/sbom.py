#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sbom.py FOLDER: writes FOLDER/crashcollect.spdx.json: the packages there, their hashes, the libraries they need and
in which versions these were when they were built (SPDX 2.3)."""
import datetime
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys


def dpkg(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def identifier(name):
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)


def control(deb):
    fields = dict(line.split(": ", 1) for line in dpkg("dpkg-deb", "--field", deb).splitlines()
                  if ": " in line and not line.startswith(" "))
    needs = [name for name in re.findall(r"(?:^|, )([a-z0-9][a-z0-9+.-]*)", fields.get("Depends", ""))]
    return fields, needs


def own_package(deb, fields):
    return {"SPDXID": identifier(fields["Package"]), "name": fields["Package"], "versionInfo": fields["Version"],
            "packageFileName": deb.name, "downloadLocation": "NOASSERTION", "filesAnalyzed": False,
            "licenseConcluded": "MIT", "licenseDeclared": "MIT", "copyrightText": "2026 the libcrashcollect authors",
            "supplier": "NOASSERTION",
            "checksums": [{"algorithm": "SHA256", "checksumValue": hashlib.sha256(deb.read_bytes()).hexdigest()}]}


def needed_package(name):
    version = subprocess.run(["dpkg-query", "-W", "-f=${Version}", name], capture_output=True, text=True).stdout
    entry = {"SPDXID": identifier(name), "name": name, "downloadLocation": "NOASSERTION", "filesAnalyzed": False,
             "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION", "copyrightText": "NOASSERTION",
             "supplier": "Organization: Debian"}
    if version:
        entry["versionInfo"] = version
        entry["externalRefs"] = [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                                  "referenceLocator": f"pkg:deb/debian/{name}@{version}"}]
    return entry


def main(folder):
    folder = pathlib.Path(folder)
    own, needed, relations = {}, {}, []
    for deb in sorted(folder.glob("*.deb")):
        fields, needs = control(deb)
        own[fields["Package"]] = own_package(deb, fields)
        for name in needs:
            needed[name] = name
            relations.append({"spdxElementId": identifier(fields["Package"]), "relationshipType": "DEPENDS_ON",
                              "relatedSpdxElement": identifier(name)})
    packages = [own[name] for name in sorted(own)] + [needed_package(name) for name in sorted(set(needed) - set(own))]
    created = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
    digest = hashlib.sha256(json.dumps(packages, sort_keys=True).encode()).hexdigest()
    document = {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "crashcollect",
        "documentNamespace": f"urn:crashcollect:spdx:{digest}",
        "creationInfo": {"created": created.strftime("%Y-%m-%dT%H:%M:%SZ"), "creators": ["Tool: sbom.py"]},
        "packages": packages,
        "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
                           "relatedSpdxElement": identifier(name)} for name in sorted(own)] + relations}
    (folder / "crashcollect.spdx.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
