"""The operations of CcApi with their arguments, and the WSDL generated from them (T2, T3)."""

from __future__ import annotations

from carriers.simulators.viettel.soap import SERVICE
from carriers.xml import Markup, document, write

ACCOUNT = ("User", "Password", "CPCode")
ONE = (*ACCOUNT, "RequestID", "UserID", "ReceiverID", "ServiceID", "CommandCode", "Content", "ContentType")
LIST = (*ACCOUNT, "RequestID", "ServiceID", "CommandCode", "ContentType", "Msg")
OPERATIONS = {
    "wsCpMt": ONE,
    "wsCpMtRegDlr": ONE,
    "wsCpMt4": LIST,
    "getDlrStatus": (*ACCOUNT, "MessageIds"),
    "getFailSub": ("username", "password", "cpCode", "alias", "date", "pageNumber", "pageSize"),
    "wsReportHour": (*ACCOUNT, "timeReport"),
    "wsReportDaily": (*ACCOUNT, "startDate", "endDate"),
    "checkBalance": ACCOUNT,
    "wsGetCpCode": (*ACCOUNT, "TaxCode"),
    "getIp": (),
}
_NAMESPACES = {
    "xmlns:wsdl": "http://schemas.xmlsoap.org/wsdl/",
    "xmlns:soap": "http://schemas.xmlsoap.org/wsdl/soap/",
    "xmlns:xs": "http://www.w3.org/2001/XMLSchema",
    "xmlns:tns": SERVICE,
    "targetNamespace": SERVICE,
    "name": "CcApi",
}


def wsdl(url: str) -> bytes:
    parts = [
        write("wsdl:types", _schema()),
        *(_message(name) for operation in OPERATIONS for name in (operation, f"{operation}Response")),
        _port(),
        _binding(),
        _service(url),
    ]
    return document(write("wsdl:definitions", *parts, attributes=_NAMESPACES))


def _schema() -> Markup:
    elements = [
        element
        for operation, arguments in OPERATIONS.items()
        for element in (_element(operation, arguments), _element(f"{operation}Response", ("return",)))
    ]
    return write("xs:schema", *elements, attributes={"targetNamespace": SERVICE, "version": "1.0"})


def _element(name: str, arguments: tuple[str, ...]) -> Markup:
    fields = [
        write("xs:element", attributes={"name": each, "minOccurs": "0", "maxOccurs": "unbounded"})
        if each in ("Msg", "return")
        else write("xs:element", attributes={"name": each, "type": "xs:string", "minOccurs": "0"})
        for each in arguments
    ]
    kind = write("xs:complexType", write("xs:sequence", *fields))
    return write("xs:element", kind, attributes={"name": name})


def _message(name: str) -> Markup:
    part = write("wsdl:part", attributes={"name": "parameters", "element": f"tns:{name}"})
    return write("wsdl:message", part, attributes={"name": name})


def _port() -> Markup:
    operations = [
        write(
            "wsdl:operation",
            write("wsdl:input", attributes={"message": f"tns:{name}"}),
            write("wsdl:output", attributes={"message": f"tns:{name}Response"}),
            attributes={"name": name},
        )
        for name in OPERATIONS
    ]
    return write("wsdl:portType", *operations, attributes={"name": "CcApi"})


def _binding() -> Markup:
    literal = write("soap:body", attributes={"use": "literal"})
    operations = [
        write(
            "wsdl:operation",
            write("soap:operation", attributes={"soapAction": ""}),
            write("wsdl:input", literal),
            write("wsdl:output", literal),
            attributes={"name": name},
        )
        for name in OPERATIONS
    ]
    transport = {"transport": "http://schemas.xmlsoap.org/soap/http", "style": "document"}
    style = write("soap:binding", attributes=transport)
    return write(
        "wsdl:binding", style, *operations, attributes={"name": "CcApiPortBinding", "type": "tns:CcApi"}
    )


def _service(url: str) -> Markup:
    address = write("soap:address", attributes={"location": url})
    port = write("wsdl:port", address, attributes={"name": "CcApiPort", "binding": "tns:CcApiPortBinding"})
    return write("wsdl:service", port, attributes={"name": "CcApi"})
